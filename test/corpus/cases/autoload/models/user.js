module.exports = (sequelize) =>
  class User {
    static s = sequelize;
  };
