/**
 * A glob as an expression for whole paths with `/`: `*` and `?` stay inside a folder, `**` does not,
 * `{a,b}` is either.
 * @param below whether a folder that fits means everything in it, as in .gitignore
 */
export function globExpression(glob: string, below = false): RegExp {
  const body = glob
    .replace(/^\.\//, "")
    .replace(/\/$/, "")
    .replace(/[.+^$()|[\]\\]/g, "\\$&")
    .replace(/\*\*\/|\*\*|\*|\?|\{[^{}]*\}/g, (token) => {
      if (token === "**/") return "(?:.*/)?";
      if (token === "**") return ".*";
      if (token === "*") return "[^/]*";
      return token === "?" ? "[^/]" : `(?:${token.slice(1, -1).split(",").join("|")})`;
    });
  return new RegExp(`^${body}${below ? "(?:/.*)?" : ""}$`, "s");
}
