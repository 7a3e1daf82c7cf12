import type { LogStream } from './command.ts'

/** How far a piece of work is. */
export interface Update {
  readonly label: string
  readonly done: number
  /** Undefined where it is not known. */
  readonly total: number | undefined
  /** What is counted; bytes are shown as MB. */
  readonly unit?: 'bytes'
  /** What else to show: `loss 1.23  250 tokens/s`. */
  readonly detail?: string
  /** Seconds to go; estimated from the rate so far where it is not given. */
  readonly eta?: number
}

/** Tells a person how the work goes: a bar that redraws itself on a terminal, now and then a plain line in a log. */
export interface Progress {
  update(update: Update): void
  /** A line that stays. */
  note(text: string): void
  /** Ends the bar; its last state stays. */
  end(): void
}

const BAR_WIDTH = 24
/** Milliseconds between redraws of the bar, and between lines in a log. */
const REDRAW = 80
const LOG_LINE = 5_000

export function createProgress(stream: LogStream, now: () => number = () => performance.now()): Progress {
  const tty = stream.isTTY === true
  let label: string | undefined
  let start = 0
  let startDone = 0
  let shownAt = -Infinity
  let shown = ''
  let pending: string | undefined

  const draw = (line: string) => {
    stream.write(tty ? `\r\x1b[2K${line}` : `${line}\n`)
    shown = line
    pending = undefined
    shownAt = now()
  }
  const end = () => {
    if (label === undefined) return
    if (pending !== undefined) draw(pending)
    if (tty) stream.write('\n')
    label = undefined
  }

  return {
    update(update) {
      if (label !== update.label) {
        end()
        label = update.label
        start = now()
        startDone = update.done
        shownAt = -Infinity
      }
      const eta = update.eta ?? remaining(update, startDone, now() - start)
      const line = tty ? bar(update, eta, stream.columns ?? 80) : plain(update, eta)
      if (now() - shownAt >= (tty ? REDRAW : LOG_LINE)) draw(line)
      else pending = line
    },
    note(text) {
      if (!tty || label === undefined) {
        stream.write(`${text}\n`)
        return
      }
      stream.write(`\r\x1b[2K${text}\n${pending ?? shown}`)
    },
    end,
  }
}

/** Seconds to go at the rate since the work was first seen; undefined until there is a rate. */
function remaining({ done, total }: Update, startDone: number, elapsed: number): number | undefined {
  return total !== undefined && done > startDone ? ((total - done) * elapsed) / (done - startDone) / 1000 : undefined
}

function bar(update: Update, eta: number | undefined, columns: number): string {
  const { label, done, total, detail } = update
  const filled = total === undefined || total === 0 ? 0 : Math.round(Math.min(done / total, 1) * BAR_WIDTH)
  const parts = [label, `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}`, counts(update), detail, timeLeft(update, eta)]
  return parts.filter(part => part !== undefined).join('  ').slice(0, columns - 1)
}

function plain(update: Update, eta: number | undefined): string {
  const count = counts(update)
  const head = count === undefined ? update.label : `${update.label} ${count}`
  return [head, update.detail, timeLeft(update, eta)].filter(part => part !== undefined).join('  ')
}

/** Undefined where there is nothing to count yet. */
function counts({ done, total, unit }: Update): string | undefined {
  const show = unit === 'bytes' ? megabytes : String
  if (total === undefined) return done === 0 ? undefined : show(done)
  return `${show(done)}/${show(total)}`
}

function timeLeft({ done, total }: Update, eta: number | undefined): string | undefined {
  return eta === undefined || done >= (total ?? Infinity) ? undefined : `ETA ${clock(eta)}`
}

/** Seconds as 0:07, 12:30 or 1:02:03. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60].slice(whole < 3600 ? 1 : 0)
  return parts.map((part, i) => (i === 0 ? String(part) : String(part).padStart(2, '0'))).join(':')
}

/** Bytes as 98.4 MB. */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
