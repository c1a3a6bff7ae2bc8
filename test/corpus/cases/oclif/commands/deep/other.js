const { Command } = require("@oclif/core");
module.exports = class Other extends Command {
  async run() {
    this.log("other");
  }
};
