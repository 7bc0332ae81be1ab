module.exports = (lines) => lines.map((line) => require('left')(line, 10));
