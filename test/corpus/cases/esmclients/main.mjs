import got from "got";
import fetch from "node-fetch";
import { execa } from "execa";
import chalk from "chalk";
import yargs from "yargs";
import { Command } from "commander";
for (const f of [() => got("http://127.0.0.1:1", { retry: { limit: 0 } }), () => fetch("http://127.0.0.1:1")])
  await f().catch((e) => console.log(e.code));
console.log(
  (await execa(process.execPath, ["-p", "1+1"])).stdout,
  typeof chalk.red,
  yargs(["--a=1"]).parse().a,
  new Command().name("x").name(),
);
