import { fork } from 'node:child_process'

/** A process that ended without its last answer. */
export interface Death {
  readonly type: 'died'
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** The end of what it wrote to its error output. */
  readonly output: string
}

/** A process that carries out one request. */
export interface Child<Last> {
  readonly pid: number | undefined
  /** Resolves when the process has ended, with its last answer if it gave one; never rejects. */
  readonly ended: Promise<Last | Death>
  /** Tells it something more. */
  tell(command: object): void
  /** Ends it at once, as `kill -9` does. */
  kill(): void
}

/** How much of its error output is kept. */
const outputTail = 4000

/**
 * Starts a process that serves one request.
 * @param module from `siblingModule`; hears the request as its first message
 * @param isLast whether an answer is the last one; `onNews` hears of those before it
 */
export function startChild<Message, Last extends Message>(
  module: URL, request: object, isLast: (message: Message) => message is Last, onNews: (message: Exclude<Message, Last>) => void,
): Child<Last> {
  const child = fork(module, {
    // Numbers that are not finite survive.
    serialization: 'advanced',
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let last: Last | undefined
  let output = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => { output = (output + text).slice(-outputTail) })
  child.on('message', (message) => {
    const answer = message as Message
    if (isLast(answer)) last = answer
    else onNews(answer as Exclude<Message, Last>)
  })
  // A failed start is told by `close`, too; a channel that closes early by the process's end.
  child.on('error', (error) => { output += error.message })
  const ended = new Promise<Last | Death>((resolve) => {
    child.on('close', (code, signal) => { resolve(last ?? { type: 'died', code, signal, output }) })
  })
  child.send(request, () => {})
  return {
    pid: child.pid,
    ended,
    tell: (command) => { if (child.connected) child.send(command, () => {}) },
    kill: () => { child.kill('SIGKILL') },
  }
}
