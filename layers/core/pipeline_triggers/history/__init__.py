"""What became of every event and every run: one record for each final verdict, kept in HistoryTable."""
