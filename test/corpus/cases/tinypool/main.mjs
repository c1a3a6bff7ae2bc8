import Tinypool from "tinypool";
const pool = new Tinypool({ filename: new URL("./worker.mjs", import.meta.url).href });
console.log(await pool.run({ a: 4, b: 6 }), await pool.run({ a: 1, b: 2 }, { name: "multiply" }));
await pool.destroy();
const forks = new Tinypool({ filename: new URL("./worker.mjs", import.meta.url).href, runtime: "child_process" });
console.log(await forks.run({ a: 1, b: 1 }));
await forks.destroy();
