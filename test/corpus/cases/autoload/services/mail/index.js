module.exports = "mail service";
