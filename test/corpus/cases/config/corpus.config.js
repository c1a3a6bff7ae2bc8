module.exports = { from: "file" };
