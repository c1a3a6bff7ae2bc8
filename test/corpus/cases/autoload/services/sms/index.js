module.exports = "sms service";
