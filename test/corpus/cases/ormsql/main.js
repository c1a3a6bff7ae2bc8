// Query builders that write SQL for a database that is not there, and one that is: node:sqlite is not used.
const knex = require("knex");
for (const client of ["pg", "mysql2", "better-sqlite3"]) {
  const db = knex({ client, useNullAsDefault: true });
  console.log(client, db("users").where({ id: 1 }).orderBy("name").toString());
}
const { Sequelize, DataTypes } = require("sequelize");
const s = new Sequelize({ dialect: "mysql", logging: false });
const User = s.define("User", { name: DataTypes.STRING });
console.log(User.name, Object.keys(User.rawAttributes));
const { pgTable, serial, text } = require("drizzle-orm/pg-core");
const { drizzle } = require("drizzle-orm/node-postgres");
const users = pgTable("users", { id: serial("id"), name: text("name") });
console.log(drizzle.mock().select().from(users).toSQL());
const { Model } = require("objection");
class Person extends Model {
  static tableName = "persons";
}
Model.knex(knex({ client: "pg" }));
console.log(Person.query().where("id", 1).toKnexQuery().toString());
const { Kysely, DummyDriver, PostgresAdapter, PostgresQueryCompiler, PostgresIntrospector } = require("kysely");
const k = new Kysely({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (d) => new PostgresIntrospector(d),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
});
console.log(k.selectFrom("a").selectAll().compile().sql);
process.exit();
