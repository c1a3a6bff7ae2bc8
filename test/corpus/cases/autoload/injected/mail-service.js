module.exports = () => ({ send: () => "sent", toString: () => "mail" });
