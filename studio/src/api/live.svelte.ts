import type { CallError } from './client.ts'

export interface Live<Value> {
  /** undefined until the first answer. What was there stays while it is asked for again, also where that fails. */
  readonly value: Value | undefined
  readonly error: CallError | undefined
  /** Whether an answer is awaited. */
  readonly loading: boolean
  /** Asks again. */
  refresh(): Promise<void>
}

/** Milliseconds after which a server that did not answer, or could not, is asked again. */
const retryAfter = 3000

/** A refusal stands until somebody asks again; a server that is gone may come back. */
function pauseAfter({ status }: CallError): number | undefined {
  return status > 0 && status < 500 && status !== 429 ? undefined : retryAfter
}

interface LiveOptions<Value> {
  /** Milliseconds from one answer to the next question while the page is seen; none: asked once. */
  readonly every?: number | ((value: Value | undefined) => number | undefined)
}

/**
 * What the server says, kept up to date. To be called while a component is set up; `load` is called again when something
 * reactive that it reads before its first `await` changes, and an answer that is overtaken is dropped. A server that is gone is asked
 * again until it is back.
 */
export function live<Value>(load: (signal: AbortSignal) => Promise<Value>, { every }: LiveOptions<Value> = {}): Live<Value> {
  let value = $state.raw<Value>()
  let error = $state.raw<CallError>()
  let loading = $state(true)
  let again: () => Promise<void> = async () => {}

  $effect(() => {
    const life = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    let question = 0

    async function ask(): Promise<void> {
      const mine = ++question
      clearTimeout(timer)
      loading = true
      try {
        const answer = await load(life.signal)
        if (life.signal.aborted || mine !== question) return
        value = answer
        error = undefined
      } catch (thrown) {
        if (life.signal.aborted || mine !== question) return
        error = thrown as CallError
      }
      loading = false
      const pause = error === undefined ? (typeof every === 'function' ? every(value) : every) : pauseAfter(error)
      if (pause !== undefined) timer = setTimeout(whenSeen, pause)
    }

    function whenSeen(): void {
      if (!document.hidden) void ask()
      else document.addEventListener('visibilitychange', whenSeen, { once: true })
    }

    again = ask
    void ask()
    return () => {
      life.abort()
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', whenSeen)
    }
  })

  return {
    get value() { return value },
    get error() { return error },
    get loading() { return loading },
    refresh: () => again(),
  }
}
