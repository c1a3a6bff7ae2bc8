module.exports = () => class Post {};
