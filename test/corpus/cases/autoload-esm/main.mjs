import { readdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
const __dirname = path.dirname(fileURLToPath(import.meta.url));
const commands = new Map();
for (const file of (await readdir(path.join(__dirname, "commands"))).sort()) {
  const { default: command, name } = await import(pathToFileURL(path.join(__dirname, "commands", file)).href);
  commands.set(name, command);
}
console.log([...commands].map(([name, run]) => `${name}=${run()}`));
const lang = process.argv[2] ?? "de";
const { default: messages } = await import(`./locales/${lang}.js`);
console.log(messages);
const { default: data } = await import(`./data/${lang}.json`, { with: { type: "json" } });
console.log(data);
