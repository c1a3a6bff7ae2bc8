import test from "ava";
import { globExpression } from "../../src/base/glob.ts";

for (const [glob, fits, not] of [
  ["packages/*", ["packages/a"], ["packages", "packages/a/b", "other/a"]],
  ["./packages/*/", ["packages/a"], ["packages/a/b"]],
  ["apps/**", ["apps/a", "apps/a/b"], ["app/a"]],
  ["**/*.sql", ["a.sql", "a/b.sql"], ["a.sqlx", "asql"]],
  ["{a,b}/?.c", ["a/x.c", "b/y.c"], ["c/x.c", "a/xy.c"]],
  ["a+(b)", ["a+(b)"], ["aab"]],
] as const) {
  test(`${glob} fits what it should`, (t) => {
    for (const path of fits) t.regex(path, globExpression(glob));
    for (const path of not) t.notRegex(path, globExpression(glob));
  });
}

test("a folder can mean what is below it", (t) => {
  t.regex("views/a/b.ejs", globExpression("views", true));
  t.notRegex("viewsets/a", globExpression("views", true));
});
