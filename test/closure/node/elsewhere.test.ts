import test from "ava";
import { type NodeProject, nodeClosure } from "../../../src/closure/node/index.ts";
import { Readings } from "../../../src/closure/node/readings.ts";
import { Cache } from "../../../src/layer/cache.ts";
import { canIsolate, quiet, withFolder } from "../../support/image-run.ts";
import { closureOf, type Files, projectOf, runBoth, writeFiles } from "../../support/node-app.ts";
import { canRun, imageOf } from "../../support/program-image.ts";

const around: Files = {
  "package.json": '{"name":"app","dependencies":{"prod":"1"},"devDependencies":{"dev":"1"}}',
  "node_modules/dev/package.json": '{"name":"dev","version":"1.0.0"}',
  "node_modules/dev/index.js": 'require("./more"); module.exports = "dev"',
  "node_modules/dev/more.js": "",
  "node_modules/prod/package.json": '{"name":"prod","version":"1.0.0"}',
  "node_modules/prod/index.js":
    'module.exports = process.env.NODE_ENV === "production" ? require("./prod") : require("./dev")',
  "node_modules/prod/prod.js": 'module.exports = "prod"',
  "node_modules/prod/dev.js": 'module.exports = "not prod"',
};

/** What of the packages is in the closure of an app, and what is said. */
function packagesOf(files: Files | string, { nodeEnv }: Pick<NodeProject, "nodeEnv"> = { nodeEnv: "production" }) {
  return withFolder(async (folder) => {
    writeFiles(folder, { ...around, ...(typeof files === "string" ? { "main.js": files } : files) });
    const { entries, diagnostics } = await closureOf(folder, "main.js", nodeEnv === undefined ? {} : { nodeEnv });
    const all = entries.flatMap(({ entry, modules = [] }) => [entry.path, ...modules.map((module) => module.path)]);
    const packages = new Set(all.flatMap((file) => /^\/app\/node_modules\/(\w+)\/\w+\.js$/.exec(file)?.[1] ?? []));
    return { packages: [...packages].sort().join(), all, diagnostics };
  });
}

const never = {
  "an if": 'if (process.env.NODE_ENV !== "production") require("dev")',
  "an else": 'if (process.env.NODE_ENV == "production") {} else { require("dev") }',
  "a conditional": 'exports.a = "production" === process.env["NODE_ENV"] ? 1 : require("dev")',
  "and, or":
    'process.env.NODE_ENV != "production" && require("dev"); process.env.NODE_ENV === "production" || require("dev")',
  "a constant": 'const isProduction = process.env.NODE_ENV === "production"; if (!isProduction) require("dev")',
  "a constant of constants":
    'const { NODE_ENV: mode = "development" } = process.env; const isDev = mode === "development", wants = isDev && process.argv[2]; if (wants) require("dev")',
  "a default": 'const mode = process.env.NODE_ENV || "development"; if (mode === "development") require("dev")',
  "an import()": 'async function f() { if (process.env.NODE_ENV === "test") return (await import("dev")).default }',
  "a module of the app": 'if (process.env.NODE_ENV === "development") require("./dev")',
  "a harmless assignment":
    'process.env.NODE_ENV ??= "development"; process.env.NODE_ENV = process.env.NODE_ENV || "test"; if (process.env.NODE_ENV === "test") require("dev")',
  "a schema":
    'const schema = { NODE_ENV: String }; if (process.env.NODE_ENV === "test") require("dev"); exports.s = schema',
};

for (const [name, text] of Object.entries(never)) {
  test(`a development dependency for another NODE_ENV is left out: ${name}`, async (t) => {
    const files = { "main.js": text, "dev.js": 'require("./helper")', "helper.js": 'require("dev")' };
    const { packages, diagnostics } = await packagesOf(files);
    t.is(packages, "");
    t.deepEqual(diagnostics, [
      {
        code: "development-only",
        severity: "info",
        message: 'left out, as development dependencies for another NODE_ENV than "production": dev',
        hint: 'what the image needs belongs in "dependencies"; --env NODE_ENV=development builds for development',
      },
    ]);
    t.is((await packagesOf(files, {})).packages, "dev", "where NODE_ENV is not known");
  });
}

const maybe = {
  "another condition": 'if (process.env.MODE !== "production") require("dev")',
  "a variable that changes":
    'let isProduction = process.env.NODE_ENV === "production"; isProduction = process.argv[2]; if (!isProduction) require("dev")',
  "a variable that may be undefined":
    'let isProduction; if (process.argv[2]) isProduction = process.env.NODE_ENV === "production"; if (!isProduction) require("dev")',
  "another variable of the name":
    'const isProduction = process.env.NODE_ENV === "production"; exports.f = (isProduction) => isProduction || require("dev")',
  "one of two": 'if (process.env.NODE_ENV !== "production" || process.argv[2]) require("dev")',
  "needed elsewhere": 'if (process.env.NODE_ENV !== "production") require("dev"); exports.f = () => require("dev")',
  assigned: 'process.env.NODE_ENV = "development"; if (process.env.NODE_ENV !== "production") require("dev")',
  deleted: 'delete process.env.NODE_ENV; if (process.env.NODE_ENV !== "production") require("dev")',
  "a child's":
    'if (process.env.NODE_ENV === "test") require("dev"); else require("child_process").fork(__filename, { env: { ...process.env, NODE_ENV: "test" } })',
  "set later, by another module": 'if (process.env.NODE_ENV !== "production") require("dev"); require("./sets")',
};

for (const [name, text] of Object.entries(maybe)) {
  test(`what production may need is there: ${name}`, async (t) => {
    const files = { "main.js": text, "sets.js": 'process.env["NODE_ENV"] = process.argv[2]' };
    const { packages, diagnostics } = await packagesOf(files);
    t.is(packages, "dev");
    t.false(diagnostics.some(({ code }) => code === "development-only"));
  });
}

test("the NODE_ENV of the image decides", async (t) => {
  const text =
    'if (process.env.NODE_ENV === "development") require("dev"); if (process.env.NODE_ENV === "production") require("other")';
  const files: Files = {
    "package.json": '{"name":"app","devDependencies":{"dev":"1","other":"1"}}',
    "node_modules/other/package.json": '{"name":"other","version":"1.0.0"}',
    "node_modules/other/index.js": "",
    "main.js": text,
  };
  t.is((await packagesOf(files, { nodeEnv: "development" })).packages, "dev");
  t.is((await packagesOf(files, { nodeEnv: "production" })).packages, "other");
  t.is((await packagesOf(files, { nodeEnv: "staging" })).packages, "");
});

test("what an install for production brings is there for every NODE_ENV", async (t) => {
  const { packages, all } = await packagesOf(
    'if (process.env.NODE_ENV !== "production") console.log(require("./own"), require("prod"))',
  );
  t.is(packages, "prod");
  t.true(all.includes("/app/node_modules/prod/dev.js"));
  const own = await packagesOf({
    "main.js": 'if (process.env.NODE_ENV !== "production") require("./own")',
    "own.js": 'require("fs").readFileSync(__dirname + "/data.txt"); require("dev")',
    "data.txt": "",
  });
  t.is(own.packages, "");
  t.true(own.all.includes("/app/own.js"));
  t.true(own.all.includes("/app/data.txt"));
});

test("what was read before holds for its NODE_ENV", async (t) => {
  Object.assign(globalThis, { SLIM_CODE: "test" });
  await withFolder(async (folder) => {
    writeFiles(`${folder}/app`, { ...around, "main.js": 'if (process.env.NODE_ENV !== "production") require("dev")' });
    const cache = new Cache(`${folder}/cache`);
    t.not(await Readings.open(cache, ""), undefined);
    const inside = async (nodeEnv: string) => {
      const { entries } = await nodeClosure(quiet, projectOf(`${folder}/app`, "main.js", { nodeEnv }), { cache });
      return entries.flatMap(({ modules = [] }) => modules.map((module) => module.path)).length;
    };
    t.deepEqual([await inside("production"), await inside("development"), await inside("production")], [1, 3, 1]);
  });
});

(canIsolate ? test : test.skip)("an app does in production what it does where it lies", async (t) => {
  await withFolder(async (folder) => {
    writeFiles(folder, {
      ...around,
      "main.js":
        'const dev = process.env.NODE_ENV !== "production"; console.log(require("prod"), dev ? require("dev") : "without")',
    });
    const { plain, packed } = await runBoth(folder, "main.js", { nodeEnv: "production" });
    t.is(plain.stdout, "prod without\n", plain.stderr);
    t.is(packed.stdout, plain.stdout, packed.stderr);
  });
});

test("the image is built for the NODE_ENV that it sets, and another one finds the dependency missing", async (t) => {
  if (!canRun(t)) return;
  await withFolder(async (folder) => {
    writeFiles(folder, {
      ...around,
      "main.js":
        'try { console.log(process.env.NODE_ENV === "production" ? "production" : require("dev")) } catch (error) { console.log(error.code) }',
    });
    const call = { cwd: folder, entry: "main.js", node: "24" };
    const production = (await imageOf(t, call)).container;
    t.is((await production.run()).stdout, "production\n");
    t.is((await production.run({ env: { NODE_ENV: "development" } })).stdout, "MODULE_NOT_FOUND\n");
    const development = (await imageOf(t, { ...call, env: { NODE_ENV: "development" } })).container;
    t.is((await development.run()).stdout, "dev\n");
  });
});
