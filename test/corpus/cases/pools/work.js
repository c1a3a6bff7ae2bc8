const _ = require("lodash");
module.exports = ({ a }) => _.times(a, (x) => x).join();
