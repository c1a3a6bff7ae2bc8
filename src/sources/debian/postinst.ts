import { createHash } from "node:crypto";
import path from "node:path";
import { bytesContent } from "../../layer/entry.ts";
import type { PackageFile } from "./package.ts";
import { linkStaysInside, mergedPath } from "./paths.ts";
import { type Command, parseShell, type Redirect, textOf, type Word } from "./shell.ts";

/** What a script does that is not done without running it. */
export interface Undone {
  /** A file whose content is not known; an account or a right for one; a program that does who knows what. */
  readonly kind: "file" | "account" | "program";
  readonly command: string;
  /** The file, where its name is known. */
  readonly path?: string;
  /** What it is a copy of, where that is a file of another package. */
  readonly from?: string;
  /** Whether a first installation does it anyway; else only the running system would tell. */
  readonly isSure: boolean;
}

export interface Installation {
  /** What the script adds to the files of its package. */
  readonly made: readonly PackageFile[];
  readonly undone: readonly Undone[];
}

/**
 * Works out what `postinst configure` does at a first installation, without running anything: links of
 * update-alternatives, copies of the package's own files, folders. Where it depends on something that
 * only the running system would tell, both is assumed.
 * https://www.debian.org/doc/debian-policy/ch-maintainerscripts.html
 */
export function readPostinst(script: string, files: readonly PackageFile[]): Installation {
  const command = /^#! ?\/(?:usr\/)?bin\/(?:ba|da)?sh\b/.test(script) ? parseShell(script) : undefined;
  if (command === undefined) {
    return { made: [], undone: [{ kind: "program", command: script.split("\n", 1)[0] ?? "", isSure: true }] };
  }
  const run = new Run(files);
  run.start(command);
  return run.installation;
}

/** More than this is no script that anybody wrote by hand. */
const limits = { steps: 20_000, depth: 32 };

/** Commands that make no file an image needs: they ask, print, take away, or tend to services of a running system. */
const idle = new Set(
  [
    ": true false test [ set shift local export readonly unset cd umask trap read eval wait type command hash which",
    "echo printf cat grep egrep fgrep sed awk cut head tail sort uniq tr wc fold basename dirname readlink realpath",
    "md5sum sha1sum sha256sum cmp diff stat find ls id getent hostname uname date sleep expr mktemp who ps pidof kill",
    "logger runlevel ischroot pathfind rm rmdir unlink chmod sync",
    "dpkg dpkg-query dpkg-trigger dpkg-maintscript-helper dpkg-divert dpkg-statoverride apt-config ucfr",
    "deb-systemd-helper deb-systemd-invoke systemctl invoke-rc.d update-rc.d service initctl start-stop-daemon",
    "systemd-tmpfiles systemd-sysusers systemd-machine-id-setup journalctl udevadm restorecon apparmor_parser aa-status aa-enabled",
    "chown chgrp tee tac base64 zcat xargs lsof ldconfig sysctl update-binfmts update-initramfs update-menus update-shells fc-cache update-ca-certificates update-icon-caches runit-helper py3compile pypy3compile",
  ].flatMap((line) => line.split(" ")),
);

/** Commands that make an account, or give rights to one or to a program. */
const accounts = new Set(
  "adduser addgroup useradd groupadd usermod gpasswd deluser delgroup setcap update-passwd".split(" "),
);

/** A word's value; undefined where only running would tell. */
type Value = string | undefined;
/** Whether a command succeeds. */
type Status = boolean | undefined;

/** The script, or a branch or function of it, ends here. */
class Leave extends Error {
  readonly from: "script" | "function" | "loop";
  constructor(from: "script" | "function" | "loop") {
    super();
    this.from = from;
  }
}

class Run {
  readonly #paths: Map<string, PackageFile>;
  readonly #folders = new Set<string>(["/"]);
  readonly #made = new Map<string, PackageFile>();
  readonly #undone = new Map<string, Undone>();
  #variables = new Map<string, Value>([["DPKG_ROOT", ""]]);
  readonly #functions = new Map<string, Command>();
  #arguments: readonly Value[] = ["configure", ""];
  /** How many conditions are open that only running would decide. */
  #doubts = 0;
  #depth = 0;
  #steps = 0;

  constructor(files: readonly PackageFile[]) {
    this.#paths = new Map(files.map((file) => [file.path, file]));
    for (const { path: place } of files) {
      for (let folder = path.posix.dirname(place); folder !== "/"; folder = path.posix.dirname(folder)) {
        this.#folders.add(folder);
      }
    }
  }

  get installation(): Installation {
    return { made: [...this.#made.values()], undone: [...this.#undone.values()] };
  }

  start(command: Command): void {
    try {
      this.#run(command);
    } catch (error) {
      if (!(error instanceof Leave)) throw error;
    }
  }

  #run(command: Command): Status {
    this.#steps += 1;
    if (this.#steps > limits.steps) throw new Leave("script");
    switch (command.kind) {
      case "simple":
        return this.#simple(command.words, command.redirects);
      case "list":
        return this.#list(command.items);
      case "not": {
        const status = this.#run(command.command);
        return status === undefined ? undefined : !status;
      }
      case "if":
        return this.#if(command.branches);
      case "case":
        return this.#case(command);
      case "for":
        return this.#for(command);
      case "while":
        this.#run(command.test);
        this.#perhaps(command.body);
        return undefined;
      case "group":
        for (const redirect of command.redirects) this.#redirect("a group", redirect, undefined);
        return this.#run(command.body);
      case "function":
        this.#functions.set(command.name, command.body);
        return true;
    }
  }

  #list(items: (Command & { kind: "list" })["items"]): Status {
    let status: Status = true;
    for (const { after, command } of items) {
      if ((after === "&&" && status === false) || (after === "||" && status === true)) continue;
      if ((after === "&&" || after === "||") && status === undefined) {
        this.#perhaps(command);
        status = undefined;
      } else if (after === "|") {
        this.#perhaps(command);
        status = undefined;
      } else status = this.#run(command);
    }
    return status;
  }

  /** Runs what may be run: what it leaves behind in variables is then not known. */
  #perhaps(command: Command): void {
    const before = new Map(this.#variables);
    const doubts = this.#doubts;
    this.#doubts = doubts + 1;
    try {
      this.#run(command);
      this.#doubts = doubts;
    } catch (error) {
      // What comes after it may not be reached: the doubt stays.
      if (!(error instanceof Leave)) throw error;
    }
    for (const [name, value] of this.#variables) {
      if (before.get(name) !== value) this.#variables.set(name, undefined);
    }
  }

  #if(branches: (Command & { kind: "if" })["branches"]): Status {
    let isOpen = false;
    for (const { test, body } of branches) {
      const status = test === undefined ? true : this.#run(test);
      if (status === false) continue;
      if (status === true && !isOpen) return this.#run(body);
      this.#perhaps(body);
      if (status === true) return undefined;
      isOpen = true;
    }
    return isOpen ? undefined : true;
  }

  #case({ word, arms }: Command & { kind: "case" }): Status {
    const [value] = this.#expand(word);
    for (const { patterns, body } of arms) {
      const matches = patterns.map((pattern) => this.#matches(value, pattern));
      if (matches.includes(true)) return this.#run(body);
      if (matches.includes(undefined)) this.#perhaps(body);
    }
    return true;
  }

  #matches(value: Value, pattern: Word): Status {
    const [text] = this.#expand(pattern);
    if (text === "*") return value === undefined ? undefined : true;
    if (text === undefined || value === undefined) return undefined;
    const source = text
      .replace(/[.+^${}()|\\]/g, "\\$&")
      .replaceAll("*", ".*")
      .replaceAll("?", ".");
    try {
      return new RegExp(`^${source}$`, "s").test(value);
    } catch {
      return undefined;
    }
  }

  #for({ name, words, body }: Command & { kind: "for" }): Status {
    for (const value of words.flatMap((word) => this.#expand(word))) {
      const doubts = this.#doubts;
      this.#variables.set(name, value?.includes("*") ? undefined : value);
      try {
        if (value === undefined || value.includes("*")) this.#perhaps(body);
        else this.#run(body);
      } catch (error) {
        if (!(error instanceof Leave && error.from === "loop")) throw error;
      } finally {
        this.#doubts = doubts;
      }
    }
    return undefined;
  }

  /** The values of a word; what is not quoted is split at blanks. */
  #expand(word: Word): Value[] {
    const fields: Value[] = [];
    let current: { value: Value } | undefined;
    const append = (value: Value): void => {
      if (current === undefined) current = { value };
      else if (current.value !== undefined) current.value = value === undefined ? undefined : current.value + value;
    };
    const finish = (): void => {
      if (current !== undefined) fields.push(current.value);
      current = undefined;
    };
    for (const part of word) {
      if (part.kind === "text") append(part.text);
      else if (part.kind === "unknown") append(undefined);
      else if (part.name === "@" || part.name === "*") {
        for (const [index, value] of this.#arguments.entries()) {
          if (index > 0) finish();
          if (value !== "" || part.quoted) append(value);
        }
      } else {
        const value = this.#variable(part.name, part.fallback);
        if (part.quoted || value === undefined) append(value);
        else {
          const pieces = value.split(/\s+/);
          for (const [index, piece] of pieces.entries()) {
            if (index > 0) finish();
            if (piece !== "") append(piece);
          }
        }
      }
    }
    finish();
    return fields;
  }

  #variable(name: string, fallback: Word | undefined): Value {
    if (name === "#") return String(this.#arguments.length);
    const value = /^[1-9]$/.test(name)
      ? this.#arguments.length < Number(name)
        ? ""
        : this.#arguments[Number(name) - 1]
      : this.#variables.has(name)
        ? this.#variables.get(name)
        : fallback === undefined
          ? undefined
          : "";
    return value === "" && fallback !== undefined ? this.#expand(fallback)[0] : value;
  }

  #simple(words: readonly Word[], redirects: readonly Redirect[]): Status {
    const rest = [...words];
    while (rest[0] !== undefined && this.#assign(rest[0], rest.length === 1 || isAssignment(rest[1] as Word)))
      rest.shift();
    const [name, ...values] = rest.flatMap((word) => this.#expand(word));
    if (rest.length === 0) {
      for (const redirect of redirects) this.#redirect("a redirection", redirect, "");
      return words.flat().some((part) => part.kind === "unknown") ? undefined : true;
    }
    const printed = name === "cat" && values.length === 0 ? hereText(redirects) : printedBy(name, values);
    for (const redirect of redirects) this.#redirect(name ?? "a command", redirect, printed);
    if (name === undefined) {
      this.#notDone({ kind: "program", command: rest[0] === undefined ? "" : wordText(rest[0]) });
      return undefined;
    }
    return this.#call(name, values, rest);
  }

  #assign(word: Word, isKept: boolean): boolean {
    const [first, ...others] = word;
    const [, name, start] =
      (first?.kind === "text" && !first.quoted && /^([A-Za-z_]\w*)=(.*)$/s.exec(first.text)) || [];
    if (name === undefined) return false;
    const fields = this.#expand([
      { kind: "text", text: start ?? "", quoted: true },
      ...others.map((part) => ({ ...part, quoted: true })),
    ]);
    if (isKept) this.#variables.set(name, fields.length === 0 ? "" : fields[0]);
    return true;
  }

  #call(name: string, values: readonly Value[], words: readonly Word[]): Status {
    const body = this.#functions.get(name);
    if (body !== undefined) return this.#function(body, values);
    const command = path.posix.basename(name);
    switch (command) {
      case "exit":
        throw new Leave("script");
      case "return":
        throw new Leave("function");
      case "break":
      case "continue":
        throw new Leave("loop");
      case "true":
      case ":":
        return true;
      case "false":
        return false;
      case "[":
      case "test":
        return this.#test(command === "[" ? values.slice(0, -1) : values);
      case "shift":
        this.#arguments = this.#arguments.slice(1);
        return true;
      case "set":
        if (values[0] === "--") this.#arguments = values.slice(1);
        return true;
      case "local":
      case "export":
      case "readonly":
        for (const word of words.slice(1)) {
          if (!this.#assign(word, true) && command === "local") this.#variables.set(textOf(word) ?? "", "");
        }
        return true;
      case "read":
        for (const one of values) if (one !== undefined) this.#variables.set(one, undefined);
        return undefined;
      case "dpkg":
        return values[0] === "--compare-versions" && values[1] === "" ? isBeforeAll(values[2], values[3]) : undefined;
      case ".":
      case "source":
        if (values[0] !== "/usr/share/debconf/confmodule")
          this.#notDone({ kind: "program", command: `. ${values[0] ?? ""}` });
        return undefined;
      case "exec":
        return values[0] === undefined ? true : this.#call(values[0], values.slice(1), words.slice(1));
      default:
        return this.#program(command, values);
    }
  }

  #function(body: Command, values: readonly Value[]): Status {
    if (this.#depth === limits.depth) throw new Leave("script");
    const before = this.#arguments;
    const doubts = this.#doubts;
    this.#arguments = values;
    this.#depth += 1;
    try {
      return this.#run(body);
    } catch (error) {
      if (!(error instanceof Leave && error.from === "function")) throw error;
      return undefined;
    } finally {
      this.#doubts = doubts;
      this.#arguments = before;
      this.#depth -= 1;
    }
  }

  #test(values: readonly Value[]): Status {
    const [first, second, third] = values;
    if (first === "!") {
      const status = this.#test(values.slice(1));
      return status === undefined ? undefined : !status;
    }
    const or = values.indexOf("-o");
    if (or > 0) return eitherOf(this.#test(values.slice(0, or)), this.#test(values.slice(or + 1)));
    const and = values.indexOf("-a");
    if (and > 0) return bothOf(this.#test(values.slice(0, and)), this.#test(values.slice(and + 1)));
    if (values.length === 1) return first === undefined ? undefined : first !== "";
    if (values.length === 2) return this.#testOne(first, second);
    if (values.length !== 3 || first === undefined || third === undefined) return undefined;
    if (second === "=" || second === "==") return first === third;
    if (second === "!=") return first !== third;
    return undefined;
  }

  #testOne(operator: Value, value: Value): Status {
    if (value === undefined) return undefined;
    if (operator === "-n") return value !== "";
    if (operator === "-z") return value === "";
    if (operator === undefined || !/^-[defhLrsx]$/.test(operator) || !value.startsWith("/")) return undefined;
    const place = this.#place(value);
    // The system does not run while it is installed into an image.
    if (place.startsWith("/run/") || place.startsWith("/proc/")) return false;
    const file = this.#made.get(place) ?? this.#paths.get(place);
    if (file === undefined && !this.#folders.has(place)) {
      // Configuration and data that the package does not bring are not there before anybody made them.
      return /^\/(?:etc|var)\//.test(place) ? false : undefined;
    }
    const isFolder = file === undefined || file.type === "directory";
    if (operator === "-d") return isFolder;
    if (operator === "-h" || operator === "-L") return file?.type === "symlink";
    if (operator === "-f") return file?.type === "symlink" ? undefined : !isFolder;
    return true;
  }

  #place(value: string): string {
    const clean = path.posix.normalize(value).replace(/(?<=.)\/$/, "");
    return mergedPath(clean, false);
  }

  /** A program, which is not run: what is known of it is done here. */
  #program(command: string, values: readonly Value[]): Status {
    const make = making.get(command);
    if (make !== undefined) {
      const wanted = make(optionsOf(command, values));
      if (wanted === undefined) this.#notDone({ kind: "file", command });
      else for (const one of wanted) this.#make(command, one);
      return undefined;
    }
    if (accounts.has(command)) this.#notDone({ kind: "account", command });
    else if (command === "sed" && values.some((value) => value === undefined || /^-i|^--in-place/.test(value))) {
      const last = values.at(-1);
      if (values.some((value) => value !== undefined && /^-i|^--in-place/.test(value))) {
        this.#notDone({
          kind: "file",
          command: "sed -i",
          ...(last?.startsWith("/") ? { path: this.#place(last) } : {}),
        });
      }
    } else if (!idle.has(command) && !command.startsWith("db_") && !compilesAhead(values))
      this.#notDone({ kind: "program", command });
    return undefined;
  }

  #make(command: string, { from, to, link, folder, priority, isOptional }: Wanted): void {
    if (to === undefined) {
      // What would lie in a folder without name has none either.
      if (folder !== true) this.#notDone({ kind: "file", command });
      return;
    }
    const place = this.#place(to);
    if (!place.startsWith("/") || isVolatile(place)) return;
    if (folder === true) {
      if (!this.#folders.has(place) && !this.#paths.has(place))
        this.#add({ type: "directory", path: place, mode: 0o755 });
      return;
    }
    if (link !== undefined) {
      const target = this.#place(path.posix.resolve(path.posix.dirname(place), link));
      // update-alternatives passes over what is not there.
      if (isOptional === true && !this.#paths.has(target) && !this.#made.has(target)) return;
      if (linkStaysInside(place, link))
        this.#add({ type: "symlink", path: place, mode: 0o777, target: link }, priority);
      return;
    }
    if (from === undefined) {
      this.#notDone({ kind: "file", command, path: place });
      return;
    }
    const source = this.#made.get(this.#place(from)) ?? this.#paths.get(this.#place(from));
    if (command === "mv" && source !== undefined) this.#made.delete(source.path);
    if (source?.type === "file" || (command === "mv" && source?.type === "symlink")) {
      const isInto = this.#folders.has(place) || this.#made.get(place)?.type === "directory";
      this.#add({ ...source, path: isInto ? path.posix.join(place, path.posix.basename(from)) : place });
    } else if (command !== "mv" || this.#doubts === 0) {
      this.#notDone({ kind: "file", command, path: place, from: this.#place(from) });
    }
  }

  /** What the package has itself stays as it is. */
  #add(file: PackageFile, rank = 0): void {
    if (this.#paths.has(file.path) || this.#folders.has(file.path)) return;
    if (rank < (this.#made.get(file.path)?.rank ?? rank)) return;
    for (let folder = path.posix.dirname(file.path); folder !== "/"; folder = path.posix.dirname(folder)) {
      const above = this.#made.get(folder) ?? this.#paths.get(folder);
      if (above !== undefined && above.type !== "directory") return;
    }
    this.#made.set(file.path, { ...file, rank });
  }

  #redirect(command: string, { operator, target, body }: Redirect, printed: string | undefined): void {
    if (body !== undefined || ![">", ">>", ">|"].includes(operator)) return;
    const [value] = this.#expand(target);
    if (value === undefined) {
      this.#notDone({ kind: "file", command: `${command} >` });
      return;
    }
    if (!value.startsWith("/") || isVolatile(value)) return;
    const place = this.#place(value);
    const before = this.#made.get(place);
    if (printed === undefined || (operator === ">>" && this.#paths.has(place))) {
      this.#notDone({ kind: "file", command: `${command} >`, path: place });
      return;
    }
    if (operator === ">>" && before !== undefined) {
      this.#notDone({ kind: "file", command: `${command} >>`, path: place });
      return;
    }
    const md5 = createHash("md5").update(printed).digest("hex");
    this.#add({ type: "file", path: place, mode: 0o644, content: bytesContent(printed), md5 });
  }

  #notDone(one: Omit<Undone, "isSure">): void {
    const key = `${one.kind} ${one.command} ${one.path ?? ""}`;
    const isSure = this.#doubts === 0 || this.#undone.get(key)?.isSure === true;
    this.#undone.set(key, { ...one, isSure });
  }
}

/** What a command makes: a copy of `from`, a link, or a folder. */
interface Wanted {
  readonly to: Value;
  readonly from?: Value;
  readonly link?: string;
  readonly folder?: boolean;
  /** Of an alternative. */
  readonly priority?: number;
  /** Of an alternative that only comes along with another one, if it is there. */
  readonly isOptional?: boolean;
}

interface Options {
  /** By letter or name: the value, or nothing. */
  readonly given: ReadonlyMap<string, Value>;
  readonly rest: readonly Value[];
}

/** Options with a value, of commands that make something. */
const withValue: ReadonlyMap<string, string> = new Map([
  ["install", "mgo"],
  ["mkdir", "m"],
  ["touch", "drt"],
  ["ln", "S"],
  ["cp", "S"],
  ["mv", "S"],
]);

/** Options and what is left; a word that is not known is taken for none. */
function optionsOf(command: string, values: readonly Value[]): Options {
  const given = new Map<string, Value>();
  const rest: Value[] = [];
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at];
    if (value === "--" || value === undefined || !/^-./.test(value)) {
      if (value !== "--") rest.push(value);
      continue;
    }
    const [, name = "", text] = /^--([^=]+)(?:=(.*))?$/s.exec(value) ?? [];
    if (name !== "") {
      given.set(name, text);
      continue;
    }
    for (const [index, letter] of [...value.slice(1)].entries()) {
      if (!withValue.get(command)?.includes(letter)) {
        given.set(letter, undefined);
        continue;
      }
      const attached = value.slice(index + 2);
      if (attached === "") at += 1;
      given.set(letter, attached === "" ? values[at] : attached);
      break;
    }
  }
  return { given, rest };
}

/** Commands that make files, and what they make; undefined where that is not known. */
const making = new Map<string, (options: Options) => readonly Wanted[] | undefined>(
  Object.entries({
    cp: copies,
    mv: copies,
    ucf: ({ rest: [from, to] }) => [{ from, to }],
    install: (options) => {
      const { given, rest } = options;
      return given.has("d") || given.has("directory") ? rest.map((to) => ({ to, folder: true })) : copies(options);
    },
    mkdir: ({ rest }) => rest.map((to) => ({ to, folder: true })),
    ln: ({ given, rest: [target, to, more] }) =>
      given.has("s") && target !== undefined && more === undefined ? [{ to, link: target }] : undefined,
    // An empty file is a place to write to, which an image is not.
    touch: () => [],
    "update-alternatives": ({ given, rest }) => (given.has("install") ? alternatives(rest) : []),
  }),
);

function copies({ given, rest }: Options): readonly Wanted[] | undefined {
  const to = given.get("t") ?? rest.at(-1);
  return rest.slice(0, -1).map((from) => ({ from, to }));
}

/** https://manpages.debian.org/update-alternatives.1: the link of the name, by way of `/etc/alternatives`. */
function alternatives(rest: readonly Value[]): readonly Wanted[] | undefined {
  const [link, name, target, priority, ...slaves] = rest;
  const rank = /^-?[0-9]+$/.test(priority ?? "") ? Number(priority) : 0;
  const wanted: Wanted[] = [];
  const add = ([to, by, at]: readonly Value[], isOptional: boolean): void => {
    // An image has no manuals.
    if (to === undefined || /^\/usr\/share\/(?:info|man)\//.test(to) || by === undefined || at === undefined) return;
    const place = `/etc/alternatives/${by}`;
    const isThere = { link: at, priority: rank, isOptional };
    wanted.push({ to: place, ...isThere }, { to, ...isThere, link: place });
  };
  if (link === undefined || name === undefined || target === undefined) return undefined;
  add([link, name, target], false);
  for (let at = 0; at + 2 < slaves.length; at += 3) add(slaves.slice(at, at + 3), true);
  return wanted;
}

/** Where nothing of an image stays: what is there is made anew when a system starts. */
function isVolatile(place: string): boolean {
  return /^\/(?:dev|proc|run|sys|tmp|var\/(?:cache|lib\/(?:dpkg|ucf)|log|run|tmp))(?:\/|$)|\.(?:distrib|dpkg-[a-z]+)$/.test(
    place,
  );
}

/** What Python is called for to have its modules ready, which it reads as well without. */
function compilesAhead(values: readonly Value[]): boolean {
  return values.some((value) => /(?:^|\/)(?:py_compile|compileall)(?:\.py)?$/.test(value ?? ""));
}

function isAssignment(word: Word): boolean {
  const [first] = word;
  return first?.kind === "text" && !first.quoted && /^[A-Za-z_]\w*=/.test(first.text);
}

function wordText(word: Word): string {
  return word
    .map((part) => (part.kind === "text" ? part.text : part.kind === "variable" ? `$${part.name}` : "$(...)"))
    .join("");
}

function hereText(redirects: readonly Redirect[]): string | undefined {
  const body = redirects.find((redirect) => redirect.body !== undefined)?.body;
  return body === undefined || /[$`\\]/.test(body) ? undefined : body;
}

/** What `echo` prints, where that is known. */
function printedBy(name: Value, values: readonly Value[]): string | undefined {
  if (name !== "echo" || values.some((value) => value === undefined || value.includes("\\"))) return undefined;
  const isPlain = values[0] !== "-n" && values[0] !== "-e";
  return isPlain ? `${values.join(" ")}\n` : undefined;
}

/** How `dpkg --compare-versions` answers for no version at all. */
function isBeforeAll(operator: Value, version: Value): Status {
  if (operator === undefined || version === undefined) return undefined;
  if (["lt", "le", "ne", "<<", "<="].includes(operator)) return true;
  if (["gt", "ge", "eq", ">>", ">=", "="].includes(operator)) return false;
  // Ending in `-nl`, no version is later than any.
  return ["gt-nl", "ge-nl", "ne-nl"].includes(operator);
}

function eitherOf(a: Status, b: Status): Status {
  if (a === true || b === true) return true;
  return a === undefined || b === undefined ? undefined : false;
}

function bothOf(a: Status, b: Status): Status {
  if (a === false || b === false) return false;
  return a === undefined || b === undefined ? undefined : true;
}
