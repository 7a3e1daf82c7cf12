#!/usr/bin/env node
import { readFileSync } from 'node:fs'

import { messageOf, nearest, UserError } from '../errors.ts'
import { type Command, runCommand, type Terminal } from './command.ts'

/** Each command is loaded only when it is asked for: `--help` should not wait for the engine. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  quickstart: async () => (await import('./quickstart.ts')).quickstart,
  train: async () => (await import('./train.ts')).train,
  score: async () => (await import('./score.ts')).score,
  generate: async () => (await import('./generate.ts')).generate,
  chat: async () => (await import('./chat.ts')).chat,
  merge: async () => (await import('./merge.ts')).merge,
  eval: async () => (await import('./eval.ts')).evaluate,
  data: async () => (await import('./data.ts')).data,
  advise: async () => (await import('./advise.ts')).advise,
  models: async () => (await import('./models.ts')).models,
  serve: async () => (await import('./serve.ts')).serve,
  keys: async () => (await import('./keys.ts')).keys,
  store: async () => (await import('./store.ts')).store,
  feedback: async () => (await import('./feedback.ts')).feedback,
}

const INTERRUPTED = 130

async function main(args: readonly string[], terminal: Terminal): Promise<void> {
  const [name, ...rest] = args
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const asked = name === 'help' ? rest[0] : undefined
    if (asked !== undefined) return main([asked, '--help'], terminal)
    terminal.out(await overview())
    if (name === undefined) process.exitCode = 2
    return
  }
  if (name === '--version' || name === '-v') {
    terminal.out(`${version()}\n`)
    return
  }
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (load === undefined) throw new UserError(unknownCommand(name), { exitCode: 2 })
  const command = await load()
  await runCommand(command, rest, terminal, interruption(command.interruptible === true))
}

async function overview(): Promise<string> {
  const all = await Promise.all(Object.values(commands).map(load => load()))
  const width = Math.max(...all.map(({ name }) => name.length))
  return [
    "posttrain: the feedback loop for a team's own language model",
    '',
    'usage: posttrain COMMAND [options]',
    '',
    ...all.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    'posttrain COMMAND --help says more. Exit codes: 0 done, 1 failed, 2 asked for wrongly.',
    '',
  ].join('\n')
}

function unknownCommand(name: string): string {
  const slip = nearest(name, Object.keys(commands))
  const hint = slip === undefined ? `commands: ${Object.keys(commands).join(', ')}` : `did you mean ${slip}?`
  return `posttrain: there is no command ${name}; ${hint}`
}

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

/** A signal for Ctrl-C. Who can stop cleanly does so on the first; the second, or any other command's first, ends the process. */
function interruption(interruptible: boolean): AbortSignal {
  const controller = new AbortController()
  const onSignal = (name: NodeJS.Signals) => {
    if (!interruptible || controller.signal.aborted) {
      dieOf(name)
      return
    }
    process.stderr.write('\nStopping (Ctrl-C again to stop at once) ...\n')
    process.exitCode = INTERRUPTED
    controller.abort()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return controller.signal
}

/** Ends the process as the signal does by default. `process.exit` would tear the engine's thread down in mid-run, which crashes it. */
function dieOf(name: NodeJS.Signals): void {
  // Node ignores SIGPIPE from the start; taking a listener away restores the system's default.
  process.on(name, () => undefined)
  process.removeAllListeners(name)
  process.kill(process.pid, name)
}

/** A reader that went away (`| head`) ends the command, as it does any other. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    if (process.platform === 'win32') process.exit(0)
    dieOf('SIGPIPE')
  })
}

try {
  await main(process.argv.slice(2), { out: text => { process.stdout.write(text) }, log: process.stderr, input: process.stdin })
} catch (error) {
  if (error instanceof UserError) {
    process.stderr.write(`${error.message}\n`)
    process.exitCode = error.exitCode
  } else if (error instanceof Error && error.name === 'AbortError') {
    process.exitCode = INTERRUPTED
  } else {
    const trace = error instanceof Error ? (error.stack ?? messageOf(error)) : messageOf(error)
    process.stderr.write(`${trace}\nThis is a fault of posttrain, not of yours: please report it with the lines above.\n`)
    process.exitCode = 1
  }
}
