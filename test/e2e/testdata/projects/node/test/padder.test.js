const test = require('node:test');
const assert = require('node:assert');
const padder = require('../padder');

test('pads each line', () => assert.deepEqual(padder(['a', 'bc']), ['         a', '        bc']));
test('keeps long lines', () => assert.deepEqual(padder(['a line of text']), ['a line of text']));
