import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

const root = join(import.meta.dirname, '..')

/** Runs a program to its end and gives its standard output. Throws with the end of its standard error if it fails. */
export async function run(command: string, args: readonly string[], input = ''): Promise<string> {
  const child = spawn(command, args, { cwd: root, stdio: 'pipe' })
  const ended = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => { resolve(code ?? signal ?? 1) })
  })
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const [output, errors, status] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  if (status !== 0) throw new Error(`${[command, ...args].join(' ')} ended with ${String(status)}:\n${errors.slice(-2000)}`)
  return output
}

/** Runs a command of this project's own command line. */
export function posttrain(args: readonly string[]): Promise<string> {
  return run(process.execPath, [join('src', 'cli', 'main.ts'), ...args])
}

/** The objects of a JSON Lines text. */
export function jsonLines(lines: string): unknown[] {
  return lines.split('\n').filter(line => line.startsWith('{')).map(line => JSON.parse(line) as unknown)
}

export function toJsonLines(rows: readonly unknown[]): string {
  return rows.map(row => `${JSON.stringify(row)}\n`).join('')
}
