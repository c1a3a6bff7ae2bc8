exports.name = "one";
