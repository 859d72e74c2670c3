// Evaluates expressions with the reference implementation: node jsonata_reference.js PATH < cases > answers
// A case is a line of JSON, {expression, event, variables}; what an answer is, tests/unit/language/comparison.py says.
const jsonata = require(process.argv[2]);
const cases = require('fs').readFileSync(0, 'utf8').split('\n').filter(Boolean).map(JSON.parse);

const isStrange = value => typeof value === 'function' || (typeof value === 'number' && !isFinite(value))
    || (value !== null && typeof value === 'object'
        && (value._jsonata_function || value._jsonata_lambda || Object.values(value).some(isStrange)));

async function answer({expression, event, variables}) {
    try {
        const value = await jsonata(expression, {timeout: 5000, stack: 500}).evaluate(event, variables);
        return value === undefined ? '-' : isStrange(value) ? '?' : '=' + JSON.stringify(value);
    } catch (error) {
        return '!' + (error.code || error.constructor.name);
    }
}

(async () => {
    for (const each of cases) {
        // One line each, for readers that take U+2028 and the like for the end of one.
        const line = (await answer(each)).replace(/[\u007f-\u00a0\u2028\u2029\ud800-\udfff]/g,
            character => '\\u' + character.charCodeAt(0).toString(16).padStart(4, '0'));
        console.log(line);
    }
})();
