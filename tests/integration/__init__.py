"""Through the really deployed stack, on the embedded AWS with IAM enforced."""

# The stack that most of these tests share, with every document of documents/.
STACK = "handlers"
