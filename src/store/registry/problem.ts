import { SlimError } from "../../base/error.ts";
import { redactUrl } from "../../base/http.ts";

/** https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes */
export interface RegistryProblem {
  readonly status: number;
  readonly errors: readonly { readonly code: string; readonly message: string; readonly detail?: unknown }[];
  /** What `Retry-After` asks for, as it stands in the header. */
  readonly retryAfter?: string;
}

/** What is kept of an answer to explain a refusal. */
interface Refused {
  readonly status: number;
  readonly url: URL;
  readonly headers: { get(name: string): string | null };
  readonly bytes: Uint8Array;
}

/** Who asked: the host as the user names it, and where the credentials came from (never what they are). */
export interface Asker {
  readonly host: string;
  readonly credentials: string | undefined;
}

/**
 * The error for an answer that refuses. Its `cause` is a RegistryProblem.
 * @param doing what was tried, as in "push the manifest"
 */
export function refusal(answer: Refused, doing: string, asker: Asker): SlimError {
  const { status } = answer;
  const errors = parseErrors(answer.bytes);
  const said = errors
    .slice(0, 3)
    .map(({ code, message }) => clean(`${code} ${message}`))
    .join("; ");
  const retryAfter = answer.headers.get("retry-after") ?? undefined;
  const cause: RegistryProblem = { status, errors, ...(retryAfter === undefined ? {} : { retryAfter }) };
  return new SlimError(
    codeOf(status),
    `cannot ${doing}: the registry answered ${status}${said === "" ? "" : `: ${said}`}`,
    {
      where: redactUrl(answer.url.href),
      hint: hintOf(status, errors, asker),
      cause,
    },
  );
}

/** The problem behind an error, where a registry's answer is what is behind it. */
export function problemOf(error: unknown): RegistryProblem | undefined {
  if (!(error instanceof SlimError) || typeof error.cause !== "object" || error.cause === null) return undefined;
  return "status" in error.cause && "errors" in error.cause ? (error.cause as RegistryProblem) : undefined;
}

/** Whether the registry named one of these codes. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return problemOf(error)?.errors.some(({ code }) => codes.includes(code)) ?? false;
}

/** `{"errors":[{code,message,detail}]}`, or the `{"details"|"message"}` of token servers and proxies. */
function parseErrors(bytes: Uint8Array): RegistryProblem["errors"] {
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return [];
  }
  if (!isRecord(body)) return [];
  const list = Array.isArray(body.errors) ? body.errors : [body];
  return list.filter(isRecord).flatMap((entry) => {
    const code = typeof entry.code === "string" ? entry.code : typeof entry.error === "string" ? entry.error : "";
    const message =
      [entry.message, entry.details, entry.error_description].find((text) => typeof text === "string") ?? "";
    return code === "" && message === "" ? [] : [{ code, message: String(message), detail: entry.detail }];
  });
}

/** One line, of bounded length, without control characters: what a server says is shown on a terminal. */
export function clean(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  const line = text.replace(/[\u0000-\u001f\u007f-\u009f\s]+/g, " ").trim();
  return line.length > 300 ? `${line.slice(0, 300)}...` : line;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function codeOf(status: number) {
  if (status === 401 || status === 403) return "AUTH";
  return status === 404 ? "NOT_FOUND" : "REGISTRY";
}

function hintOf(status: number, errors: RegistryProblem["errors"], asker: Asker): string | undefined {
  const sent = asker.credentials === undefined ? "no credentials were found" : `tried with ${asker.credentials}`;
  const codes = new Set(errors.map(({ code }) => code));
  if (status === 401) return `${sent}; log in with: slim login ${asker.host}`;
  if (status === 403) return `${sent}; ask for the right to do this in that repository`;
  if (status === 404) return `${sent}; check the name, and whether it may be seen with them`;
  if (status === 429) return `${sent}; the registry limits how much may be asked: wait, or log in`;
  if (codes.has("TAG_INVALID") || codes.has("MANIFEST_INVALID") || codes.has("UNSUPPORTED") || status === 415) {
    return "the registry may not take this media type, or may not let the tag be moved";
  }
  if (status === 413) return "a proxy in front of the registry limits the size of requests: raise its limit";
  return undefined;
}
