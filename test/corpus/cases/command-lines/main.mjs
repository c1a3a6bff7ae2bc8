import yargs from "yargs";
import { Command } from "commander";
import cron from "node-cron";
console.log(
  await new Promise((ok) =>
    yargs(["greet", "--name", "x"])
      .command(
        "greet",
        "says",
        (y) => y.option("name", { demandOption: true }),
        (argv) => ok(argv.name),
      )
      .parse(),
  ),
);
console.log(await yargs([]).locale("de").command("x", "y").getHelp());
const program = new Command()
  .name("p")
  .command("run <x>")
  .action((x) => console.log("run", x));
program.parse(["a"], { from: "user" });
console.log(cron.validate("* * * * *"));
