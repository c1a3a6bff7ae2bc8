/** A part of a word: text, a variable, or what only running something would tell. */
export type Part =
  | { readonly kind: "text"; readonly text: string; readonly quoted: boolean }
  | { readonly kind: "variable"; readonly name: string; readonly fallback?: Word; readonly quoted: boolean }
  | { readonly kind: "unknown"; readonly quoted: boolean };

export type Word = readonly Part[];

export interface Redirect {
  readonly operator: string;
  readonly target: Word;
  /** What stands in a here-document. */
  readonly body?: string;
}

export type Command =
  | { readonly kind: "simple"; readonly words: readonly Word[]; readonly redirects: readonly Redirect[] }
  | { readonly kind: "list"; readonly items: readonly { readonly after: string; readonly command: Command }[] }
  | { readonly kind: "if"; readonly branches: readonly { readonly test?: Command; readonly body: Command }[] }
  | { readonly kind: "case"; readonly word: Word; readonly arms: readonly Arm[] }
  | { readonly kind: "for"; readonly name: string; readonly words: readonly Word[]; readonly body: Command }
  | { readonly kind: "while"; readonly test: Command; readonly body: Command }
  | { readonly kind: "not"; readonly command: Command }
  | { readonly kind: "group"; readonly body: Command; readonly redirects: readonly Redirect[] }
  | { readonly kind: "function"; readonly name: string; readonly body: Command };

interface Arm {
  readonly patterns: readonly Word[];
  readonly body: Command;
}

type Token =
  | { readonly kind: "word"; readonly word: Word }
  | { readonly kind: "operator"; readonly text: string }
  | { readonly kind: "redirect"; readonly text: string; body?: string };

/** What is deeper than this nobody wrote by hand. */
const DEEPEST = 64;

/**
 * Reads a script of a POSIX shell, as far as maintainer scripts of packages go.
 * https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html
 * @returns undefined for what is not understood
 */
export function parseShell(script: string): Command | undefined {
  try {
    const parser = new Parser(tokens(script));
    return parser.whole();
  } catch (error) {
    if (error instanceof NotUnderstood) return undefined;
    throw error;
  }
}

class NotUnderstood extends Error {}

/** What ends a word that is not quoted. */
const ends = /[\s;&|<>()]/;

function tokens(script: string): Token[] {
  const found: Token[] = [];
  const awaited: { token: Token & { kind: "redirect" }; delimiter: string; tabs: boolean }[] = [];
  let at = 0;
  while (at < script.length) {
    const rest = script.slice(at, at + 3);
    const [operator] = /^(?:;;|&&|\|\||[;&|()\n])/.exec(rest) ?? [];
    const [redirect] = /^(?:<<-?|>>|<&|>&|>\||<>|[<>])/.exec(rest) ?? [];
    const [blank] = /^(?:[ \t\r]|\\\n)/.exec(rest) ?? [];
    if (blank !== undefined) at += blank.length;
    else if (rest[0] === "#") at = endOf(script, "\n", at);
    else if (operator !== undefined) {
      at += operator.length;
      found.push({ kind: "operator", text: operator });
      if (operator === "\n") for (const one of awaited.splice(0)) at = hereDocument(script, at, one);
    } else if (redirect !== undefined) {
      at += redirect.length;
      const token = { kind: "redirect", text: redirect } as const;
      found.push(token);
      if (!redirect.startsWith("<<")) continue;
      const { word, end } = readWord(script, at + (/^[ \t]*/.exec(script.slice(at, at + 8))?.[0].length ?? 0));
      found.push({ kind: "word", word });
      awaited.push({ token, delimiter: textOf(word) ?? "", tabs: redirect === "<<-" });
      at = end;
    } else {
      const { word, end } = readWord(script, at);
      at = end;
      // The number before a redirection says of what.
      const isNumber = /^[0-9]$/.test(textOf(word) ?? "") && /[<>]/.test(script[end] ?? "");
      if (!isNumber) found.push({ kind: "word", word });
      else if (textOf(word) === "2") found.push(...errorRedirect());
    }
  }
  return found;
}

/** Where errors go makes no file that anybody reads; the redirection after it is passed over with it. */
function errorRedirect(): Token[] {
  return [{ kind: "redirect", text: "2" }];
}

function hereDocument(
  script: string,
  start: number,
  { token, delimiter, tabs }: { token: Token & { kind: "redirect" }; delimiter: string; tabs: boolean },
): number {
  const lines: string[] = [];
  for (let at = start; at < script.length; ) {
    const end = endOf(script, "\n", at);
    const line = tabs ? script.slice(at, end).replace(/^\t+/, "") : script.slice(at, end);
    at = end + 1;
    if (line === delimiter) {
      token.body = lines.map((one) => `${one}\n`).join("");
      return at;
    }
    lines.push(line);
  }
  throw new NotUnderstood();
}

function endOf(script: string, what: string, from: number): number {
  const found = script.indexOf(what, from);
  return found < 0 ? script.length : found;
}

function readWord(script: string, start: number): { word: Word; end: number } {
  const parts: Part[] = [];
  const text = (piece: string, quoted: boolean): void => {
    const last = parts.at(-1);
    if (last?.kind === "text" && last.quoted === quoted) parts[parts.length - 1] = { ...last, text: last.text + piece };
    else parts.push({ kind: "text", text: piece, quoted });
  };
  let quoted = false;
  let at = start;
  for (; at < script.length; ) {
    const char = script[at] as string;
    if (!quoted && ends.test(char)) break;
    if (char === '"') {
      if (!quoted) text("", true);
      quoted = !quoted;
      at += 1;
    } else if (char === "'" && !quoted) {
      const end = closingQuote(script, at);
      text(script.slice(at + 1, end - 1), true);
      at = end;
    } else if (char === "\\") {
      const next = script[at + 1] ?? "";
      if (next !== "\n") text(quoted && !/["$`\\]/.test(next) ? `\\${next}` : next, true);
      at += 2;
    } else if (char === "`") {
      at = closingQuote(script, at);
      parts.push({ kind: "unknown", quoted });
    } else if (char === "$") {
      const { part, end } = readExpansion(script, at, quoted);
      if (part.kind === "text") text(part.text, quoted);
      else parts.push(part);
      at = end;
    } else {
      text(char, quoted);
      at += 1;
    }
  }
  if (quoted || at === start) throw new NotUnderstood();
  return { word: parts, end: at };
}

function readExpansion(script: string, at: number, quoted: boolean): { part: Part; end: number } {
  const rest = script.slice(at + 1, at + 64);
  const [name] = /^(?:[A-Za-z_]\w*|[0-9@*#?$!-])/.exec(rest) ?? [];
  if (name !== undefined) return { part: { kind: "variable", name, quoted }, end: at + 1 + name.length };
  if (rest.startsWith("(")) return { part: { kind: "unknown", quoted }, end: closing(script, at + 1) };
  if (!rest.startsWith("{")) return { part: { kind: "text", text: "$", quoted }, end: at + 1 };
  const end = closing(script, at + 1);
  const [, inner, operator, fallback = ""] =
    /^([A-Za-z_]\w*|[0-9@*#])(?:(:?[-=])(.*))?$/s.exec(script.slice(at + 2, end - 1)) ?? [];
  if (inner === undefined) return { part: { kind: "unknown", quoted }, end };
  if (operator === undefined) return { part: { kind: "variable", name: inner, quoted }, end };
  const word = fallback === "" ? [] : [...readWord(`"${fallback.replaceAll('"', "")}"`, 0).word];
  return { part: { kind: "variable", name: inner, fallback: word, quoted }, end };
}

/** Behind the bracket that closes the one at `start`, quotes regarded. */
function closing(script: string, start: number): number {
  const pairs: Readonly<Record<string, string>> = { "(": ")", "{": "}" };
  const open = script[start] as string;
  let depth = 0;
  for (let at = start; at < script.length; at += 1) {
    const char = script[at];
    if (char === "\\") at += 1;
    else if (char === "'" || char === '"') at = quoteEnd(script, at);
    else if (char === open) depth += 1;
    else if (char === pairs[open]) {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  throw new NotUnderstood();
}

/** Behind the next quote of the kind at `start`. */
function closingQuote(script: string, start: number): number {
  const found = script.indexOf(script[start] as string, start + 1);
  if (found < 0) throw new NotUnderstood();
  return found + 1;
}

/** Where the quotes end that begin at `start`. */
function quoteEnd(script: string, start: number): number {
  const quote = script[start];
  let at = start + 1;
  while (at < script.length && script[at] !== quote) at += script[at] === "\\" && quote === '"' ? 2 : 1;
  return at;
}

/** A word that is plain text; undefined for another one. */
export function textOf(word: Word): string | undefined {
  return word.every((part) => part.kind === "text") ? word.map((part) => part.text).join("") : undefined;
}

const closers = new Set(["then", "fi", "elif", "else", "do", "done", "esac", "}"]);

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(all: readonly Token[]) {
    this.#tokens = all;
  }

  whole(): Command {
    const list = this.#list();
    if (this.#at < this.#tokens.length) throw new NotUnderstood();
    return list;
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#at];
  }

  #isOperator(...texts: string[]): boolean {
    const token = this.#peek();
    return token?.kind === "operator" && texts.includes(token.text);
  }

  /** The plain word that is next. */
  #keyword(): string | undefined {
    const token = this.#peek();
    if (token?.kind !== "word" || token.word.some((part) => part.quoted)) return undefined;
    return textOf(token.word);
  }

  #expect(keyword: string): void {
    if (this.#keyword() !== keyword) throw new NotUnderstood();
    this.#at += 1;
  }

  #operator(text: string): void {
    if (!this.#isOperator(text)) throw new NotUnderstood();
    this.#at += 1;
  }

  #newlines(): void {
    while (this.#isOperator("\n")) this.#at += 1;
  }

  #list(): Command {
    this.#depth += 1;
    if (this.#depth > DEEPEST) throw new NotUnderstood();
    const items: { after: string; command: Command }[] = [];
    let after = ";";
    while (this.#peek() !== undefined) {
      if (this.#isOperator("\n", ";", "&")) {
        this.#at += 1;
        after = ";";
      } else if (this.#isOperator("&&", "||", "|")) {
        after = (this.#peek() as Token & { kind: "operator" }).text;
        this.#at += 1;
        this.#newlines();
      } else if (this.#isOperator(")", ";;") || closers.has(this.#keyword() ?? "")) break;
      else items.push({ after, command: this.#command() });
    }
    this.#depth -= 1;
    return { kind: "list", items };
  }

  #command(): Command {
    const keyword = this.#keyword();
    if (keyword === "!") {
      this.#at += 1;
      if (this.#keyword() === "!") throw new NotUnderstood();
      return { kind: "not", command: this.#command() };
    }
    if (keyword === "if") return this.#redirected(this.#if());
    if (keyword === "case") return this.#redirected(this.#case());
    if (keyword === "for") return this.#redirected(this.#for());
    if (keyword === "while" || keyword === "until") return this.#redirected(this.#while());
    if (keyword === "{") {
      this.#at += 1;
      const body = this.#list();
      this.#expect("}");
      return this.#redirected(body);
    }
    if (this.#isOperator("(")) {
      this.#at += 1;
      const body = this.#list();
      this.#operator(")");
      return this.#redirected(body);
    }
    return this.#simple();
  }

  #redirected(body: Command): Command {
    const redirects: Redirect[] = [];
    while (this.#peek()?.kind === "redirect") redirects.push(...this.#redirect());
    return redirects.length === 0 ? body : { kind: "group", body, redirects };
  }

  #redirect(): Redirect[] {
    const token = this.#peek() as Token & { kind: "redirect" };
    this.#at += 1;
    if (token.text === "2") {
      this.#redirect();
      return [];
    }
    const target = this.#peek();
    if (target?.kind !== "word") throw new NotUnderstood();
    this.#at += 1;
    return [{ operator: token.text, target: target.word, ...(token.body === undefined ? {} : { body: token.body }) }];
  }

  #simple(): Command {
    const words: Word[] = [];
    const redirects: Redirect[] = [];
    for (let token = this.#peek(); token !== undefined && token.kind !== "operator"; token = this.#peek()) {
      if (token.kind === "redirect") redirects.push(...this.#redirect());
      else {
        words.push(token.word);
        this.#at += 1;
      }
    }
    if (!this.#isOperator("(")) {
      if (words.length === 0 && redirects.length === 0) throw new NotUnderstood();
      return { kind: "simple", words, redirects };
    }
    const name = words.length === 1 ? textOf(words[0] as Word) : undefined;
    if (name === undefined) throw new NotUnderstood();
    this.#operator("(");
    this.#operator(")");
    this.#newlines();
    return { kind: "function", name, body: this.#command() };
  }

  #if(): Command {
    this.#at += 1;
    const branches: { test?: Command; body: Command }[] = [];
    const test = this.#list();
    this.#expect("then");
    branches.push({ test, body: this.#list() });
    while (this.#keyword() === "elif") {
      this.#at += 1;
      const other = this.#list();
      this.#expect("then");
      branches.push({ test: other, body: this.#list() });
    }
    if (this.#keyword() === "else") {
      this.#at += 1;
      branches.push({ body: this.#list() });
    }
    this.#expect("fi");
    return { kind: "if", branches };
  }

  #word(): Word {
    const token = this.#peek();
    if (token?.kind !== "word") throw new NotUnderstood();
    this.#at += 1;
    return token.word;
  }

  #case(): Command {
    this.#at += 1;
    const word = this.#word();
    this.#newlines();
    this.#expect("in");
    const arms: Arm[] = [];
    for (this.#newlines(); this.#keyword() !== "esac"; this.#newlines()) {
      if (this.#isOperator("(")) this.#at += 1;
      const patterns = [this.#word()];
      while (this.#isOperator("|")) {
        this.#at += 1;
        patterns.push(this.#word());
      }
      this.#operator(")");
      arms.push({ patterns, body: this.#list() });
      if (!this.#isOperator(";;")) break;
      this.#at += 1;
    }
    this.#expect("esac");
    return { kind: "case", word, arms };
  }

  #for(): Command {
    this.#at += 1;
    const name = textOf(this.#word()) ?? "";
    this.#newlines();
    const words: Word[] = [];
    if (this.#keyword() === "in") {
      this.#at += 1;
      while (this.#peek()?.kind === "word") words.push(this.#word());
    } else words.push([{ kind: "variable", name: "@", quoted: true }]);
    return { kind: "for", name, words, body: this.#do() };
  }

  #while(): Command {
    this.#at += 1;
    const test = this.#list();
    return { kind: "while", test, body: this.#do() };
  }

  #do(): Command {
    while (this.#isOperator(";", "\n")) this.#at += 1;
    this.#expect("do");
    const body = this.#list();
    this.#expect("done");
    return body;
  }
}
