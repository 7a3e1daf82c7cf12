/**
 * Work in a thread of its own: a run of ONNX Runtime blocks the thread that calls it. A module of a lower folder serves
 * named functions in a worker; the other side calls them. They exchange requests, events and results, never tensors.
 */
import { Worker, parentPort } from 'node:worker_threads'
import { UserError, messageOf } from '../errors.ts'

/** Functions that a worker serves: plain data in, plain data out; `emit` sends events while one runs. */
export type Service<Event> = Readonly<Record<string, (argument: never, emit: (event: Event) => void) => unknown>>

type Call = { readonly id: number; readonly method: string; readonly argument: unknown }
type Reply =
  | { readonly id: number; readonly result: unknown }
  | { readonly events: readonly { readonly id: number; readonly event: unknown }[] }
  | { readonly id: number; readonly failure: Failure }
type Failure = { readonly message: string; readonly stack: string | undefined; readonly exitCode: 1 | 2 | undefined }

/** Serves functions from within a worker; call once, at the top level of its module. */
export function serve<Event>(service: Service<Event>): void {
  const port = parentPort
  if (port === null) throw new Error('serve() belongs in a worker thread')
  // Events that are sent without a pause between them (a token of each row of a batch) travel together.
  let events: { id: number; event: Event }[] = []
  const flush = (): void => {
    port.postMessage({ events })
    events = []
  }
  port.on('message', ({ id, method, argument }: Call) => {
    const emit = (event: Event): void => {
      if (events.push({ id, event }) === 1) queueMicrotask(flush)
    }
    void (async () => service[method]!(argument as never, emit))().then(
      (result) => { port.postMessage({ id, result }) },
      (error: unknown) => { port.postMessage({ id, failure: describe(error) }) },
    )
  })
}

function describe(error: unknown): Failure {
  return {
    message: messageOf(error),
    stack: error instanceof Error ? error.stack : undefined,
    exitCode: error instanceof UserError ? error.exitCode : undefined,
  }
}

interface Pending {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
  readonly onEvent: ((event: unknown) => void) | undefined
}

/** The calling side of a worker. */
export class WorkerClient {
  readonly #worker: Worker
  readonly #pending = new Map<number, Pending>()
  #calls = 0
  /** Why there will be no more answers. */
  #ended: Error | undefined

  /** @param module address of the worker's module, from `siblingModule` */
  constructor(module: URL) {
    this.#worker = new Worker(module)
    this.#worker.on('message', (reply: Reply) => { this.#receive(reply) })
    this.#worker.on('error', (error) => { this.#failAll(error instanceof Error ? error : new Error(String(error))) })
    this.#worker.on('exit', (code) => { this.#failAll(new Error(`the worker ended with code ${code}`)) })
    this.#worker.unref()
  }

  /** Calls a function of the worker. An error that it throws arrives as it was, a UserError as a UserError. */
  async call<Result>(method: string, argument: unknown, onEvent?: (event: never) => void): Promise<Result> {
    if (this.#ended !== undefined) throw this.#ended
    const id = this.#calls++
    this.#worker.ref()
    try {
      return await new Promise<Result>((resolve, reject) => {
        this.#pending.set(id, {
          resolve: resolve as (value: unknown) => void,
          reject,
          onEvent: onEvent as ((event: unknown) => void) | undefined,
        })
        this.#worker.postMessage({ id, method, argument } satisfies Call)
      })
    } finally {
      // A worker without work does not keep the process alive.
      if (this.#pending.size === 0) this.#worker.unref()
    }
  }

  /** Ends the worker. Calls that wait for an answer are rejected. @param reason what they are told */
  async close(reason = 'the worker was closed'): Promise<void> {
    this.#ended ??= new Error(reason)
    await this.#worker.terminate()
  }

  #receive(reply: Reply): void {
    if ('events' in reply) {
      for (const { id, event } of reply.events) this.#pending.get(id)?.onEvent?.(event)
      return
    }
    const pending = this.#pending.get(reply.id)
    if (pending === undefined) return
    this.#pending.delete(reply.id)
    if ('failure' in reply) pending.reject(restore(reply.failure))
    else pending.resolve(reply.result)
  }

  #failAll(error: Error): void {
    this.#ended ??= error
    for (const { reject } of this.#pending.values()) reject(this.#ended)
    this.#pending.clear()
  }
}

function restore({ message, stack, exitCode }: Failure): Error {
  if (exitCode !== undefined) return new UserError(message, { exitCode })
  const error = new Error(message)
  if (stack !== undefined) error.stack = stack
  return error
}

/** The address of a module beside the calling one: TypeScript in the checkout, JavaScript in the published package. */
export function siblingModule(caller: ImportMeta, name: string): URL {
  return new URL(`${name}${caller.url.endsWith('.ts') ? '.ts' : '.js'}`, caller.url)
}
