import { parseArgs } from 'node:util'

import { messageOf, nearest, UserError } from '../errors.ts'

/** An option of a command, as `parseArgs` takes it, with what its help says. */
export interface Option {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  readonly multiple?: boolean
  /** What the value is called in the help: `--model MODEL`. */
  readonly value?: string
  readonly help: string
}

type Options = Readonly<Record<string, Option>>

/** What was given for each option; undefined where nothing was. */
export type Values<O extends Options> = {
  readonly [K in keyof O]: (O[K]['type'] extends 'boolean' ? boolean : O[K]['multiple'] extends true ? string[] : string) | undefined
}

/** What a command runs with. */
export interface Context<O extends Options = Options> {
  readonly options: Values<O>
  readonly positionals: readonly string[]
  readonly json: boolean
  /** Aborted by the first Ctrl-C; the second ends the process. */
  readonly signal: AbortSignal
  readonly terminal: Terminal
}

/** Where a command writes and reads. Results go to `out`, everything about the work to `log`. */
export interface Terminal {
  out(text: string): void
  readonly log: LogStream
  readonly input: NodeJS.ReadStream
}

/** The stream of progress and warnings, a terminal or not. */
export interface LogStream {
  write(text: string): void
  readonly isTTY?: boolean
  readonly columns?: number
}

/** A subcommand of `posttrain`. */
export interface Command<O extends Options = Options> {
  readonly name: string
  readonly summary: string
  /** What stands after the command's name: `RECIPE.yaml [--set a.b=c]`. */
  readonly usage: string
  /** More of the help: what it does that the options do not say. */
  readonly details?: string
  readonly options: O
  /** The most positional arguments that it takes. */
  readonly positionals: number
  /** It ends by itself after `signal`; other commands are ended by the first Ctrl-C. */
  readonly interruptible?: boolean
  run(context: Context<O>): Promise<void>
}

const shared = {
  json: { type: 'boolean', help: 'print the result as JSON, and no progress' },
  help: { type: 'boolean', short: 'h', help: 'show this help' },
} as const satisfies Options

/** Keeps the options' names for the types of what `run` gets. */
export function defineCommand<const O extends Options>(command: Command<O>): Command {
  return command as unknown as Command
}

/** Runs a command with the arguments after its name; `--help` prints its help. */
export async function runCommand(command: Command, args: readonly string[], terminal: Terminal, signal: AbortSignal): Promise<void> {
  const { values, positionals } = readArguments(command, args)
  if (values['help'] === true) {
    terminal.out(helpOf(command))
    return
  }
  const surplus = positionals[command.positionals]
  if (surplus !== undefined) throw usageError(command, `unexpected argument ${surplus}`)
  await command.run({
    options: values as Values<Options>,
    positionals,
    json: values['json'] === true,
    signal,
    terminal: values['json'] === true ? { ...terminal, log: silent } : terminal,
  })
}

const silent: LogStream = { write: () => undefined }

function readArguments(command: Command, args: readonly string[]) {
  const options: Options = { ...command.options, ...shared }
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
  } catch (error) {
    const ambiguous = /^Option '(?:-\w, )?(--[\w-]+)[^']*' argument is ambiguous/.exec(messageOf(error))?.[1]
    if (ambiguous !== undefined) {
      throw usageError(command, `${ambiguous} takes a value; write one that begins with a dash as ${ambiguous}=-VALUE`)
    }
    const unknown = /^Unknown option '(-+)([^']*)'/.exec(messageOf(error))
    const slip = unknown?.[2] === undefined ? undefined : nearest(unknown[2], Object.keys(options))
    const message = unknown ? `unknown option ${unknown[1]!}${unknown[2]!}` : messageOf(error).split('. ')[0]!
    throw usageError(command, `${message}${slip === undefined ? '' : `; did you mean --${slip}?`}`)
  }
}

/** A UserError (exit code 2) that shows how the command is used. */
export function usageError(command: Pick<Command, 'name' | 'usage'>, message: string): UserError {
  return new UserError(
    `posttrain ${command.name}: ${message}\nusage: posttrain ${command.name} ${command.usage}\n` +
      `posttrain ${command.name} --help says more.`,
    { exitCode: 2 },
  )
}

function helpOf(command: Command): string {
  const rows = Object.entries<Option>({ ...command.options, ...shared }).map(([name, { short, value, type, help }]) => {
    const flag = `${short === undefined ? '' : `-${short}, `}--${name}${type === 'string' ? ` ${value ?? 'VALUE'}` : ''}`
    return [flag, help] as const
  })
  const width = Math.max(...rows.map(([flag]) => flag.length))
  return [
    command.summary,
    '',
    `usage: posttrain ${command.name} ${command.usage}`,
    '',
    ...rows.map(([flag, help]) => `  ${flag.padEnd(width)}  ${help}`),
    ...(command.details === undefined ? [] : ['', command.details]),
    '',
  ].join('\n')
}

/** The value of an option that must be given. */
export function required(command: Pick<Command, 'name' | 'usage'>, option: string, value: string | undefined): string {
  if (value === undefined || value === '') throw usageError(command, `--${option} is missing`)
  return value
}

/** A number given as an option, checked against its range; undefined where the option was not given. */
export function numberOption(
  name: string,
  text: string | undefined,
  { min, max = Infinity, integer = false }: { min: number; max?: number; integer?: boolean },
): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  const fits = text.trim() !== '' && Number.isFinite(value) && value >= min && value <= max && (!integer || Number.isInteger(value))
  if (fits) return value
  const range = max === Infinity ? `at least ${String(min)}` : `from ${String(min)} to ${String(max)}`
  throw new UserError(`--${name} must be ${integer ? 'a whole number' : 'a number'} ${range}, got ${text}`, { exitCode: 2 })
}

/** One of `choices` given as an option; undefined where the option was not given. */
export function choiceOption<const T extends string>(name: string, text: string | undefined, choices: readonly T[]): T | undefined {
  if (text === undefined) return undefined
  const choice = choices.find(candidate => candidate === text)
  if (choice !== undefined) return choice
  const slip = nearest(text, choices)
  throw new UserError(
    `--${name} must be one of ${choices.join(', ')}, got ${text}${slip === undefined ? '' : `; did you mean ${slip}?`}`,
    { exitCode: 2 },
  )
}

/** Resolves at Ctrl-C. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const { promise, resolve } = Promise.withResolvers<undefined>()
  signal.addEventListener('abort', () => { resolve(undefined) }, { once: true })
  await promise
}
