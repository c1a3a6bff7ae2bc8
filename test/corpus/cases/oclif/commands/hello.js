const { Command, Args } = require("@oclif/core");
module.exports = class Hello extends Command {
  static args = { person: Args.string({ required: true }) };
  static description = "says hello";
  async run() {
    const { args } = await this.parse(Hello);
    this.log(`hello ${args.person}`);
  }
};
