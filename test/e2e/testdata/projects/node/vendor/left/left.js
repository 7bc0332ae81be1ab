module.exports = (text, n) => text.padStart(n);
