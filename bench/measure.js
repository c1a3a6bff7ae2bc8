// Times whole processes from outside: wall time, and the largest resident memory of the process itself.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: Record<string, string> }} [options]
 * @returns {Promise<{ ms: number, megabytes: number }>}
 */
export function measure(command, args, { cwd, env } = {}) {
  return new Promise((resolve, reject) => {
    const begun = performance.now();
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "pipe"] });
    let peak = 0;
    // VmHWM is the kernel's own high-water mark, so the last look before the end is all that counts.
    const look = () => {
      try {
        peak = Math.max(
          peak,
          Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "latin1"))?.[1] ?? 0),
        );
      } catch {
        // It has ended, or this is not Linux.
      }
    };
    const timer = setInterval(look, 5);
    const messages = [];
    child.stderr.on("data", (chunk) => messages.push(chunk));
    child.on("error", reject);
    child.on("close", (code) => {
      clearInterval(timer);
      const ms = performance.now() - begun;
      if (code === 0) resolve({ ms, megabytes: (peak * 1024) / 1e6 });
      else reject(new Error(`${command} ${args.join(" ")} ended with ${code}: ${Buffer.concat(messages)}`));
    });
  });
}

/** @param {readonly number[]} values */
export function median(values) {
  const ordered = [...values].sort((a, b) => a - b);
  const middle = Math.floor(ordered.length / 2);
  return ordered.length % 2 === 1 ? ordered[middle] : (ordered[middle - 1] + ordered[middle]) / 2;
}
