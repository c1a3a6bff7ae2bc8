import { createClient } from "@libsql/client";

const client = createClient({ url: "file::memory:" });
await client.executeMultiple("create table t (a int); insert into t values (20), (22);");
console.log((await client.execute("select sum(a) as sum from t")).rows[0].sum);
client.close();
