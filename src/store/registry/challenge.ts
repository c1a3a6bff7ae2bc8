/** One challenge of a `WWW-Authenticate` header. https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1 */
export interface Challenge {
  /** Lower case: `bearer`, `basic`, `negotiate`. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: Readonly<Record<string, string>>;
}

const token = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const token68 = /[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$))/y;
const quoted = /"((?:[^"\\]|\\[\s\S])*)"/y;
const equals = /[ \t]*=[ \t]*/y;
const gap = /[ \t,]*/y;
const spaces = /[ \t]+/y;

/**
 * Reads every challenge of a header, also where several headers were joined by commas: a word is a
 * parameter when `=` follows it, else it begins the next challenge. Reading stops at the first text
 * that is neither; what came before it counts.
 */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  let at = 0;
  const take = (form: RegExp): RegExpExecArray | undefined => {
    form.lastIndex = at;
    const match = form.exec(header);
    if (match === null) return undefined;
    at = form.lastIndex;
    return match;
  };
  for (;;) {
    take(gap);
    const word = take(token)?.[0];
    if (word === undefined) return challenges;
    if (take(equals) === undefined) {
      challenges.push({ scheme: word.toLowerCase(), parameters: Object.create(null) });
      // Negotiate and its like carry one opaque word, which may end in "=".
      if (take(spaces) !== undefined && !startsParameter(header, at)) take(token68);
      continue;
    }
    const string = take(quoted)?.[1]?.replace(/\\([\s\S])/g, "$1");
    const value = string ?? take(token)?.[0] ?? "";
    const last = challenges.at(-1);
    if (last === undefined) return challenges;
    last.parameters[word.toLowerCase()] ??= value;
  }
}

/** Whether `name=value` begins at `at`, rather than an opaque word that happens to end in `=`. */
function startsParameter(header: string, at: number): boolean {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*=[ \t]*(?:"|[!#$%&'*+.^_`|~0-9A-Za-z-])/.test(header.slice(at));
}
