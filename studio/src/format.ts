/** Figures, times and sizes as people read them. */

const plain = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

/** 1,234,567 */
export function count(value: number): string {
  return plain.format(value)
}

/** "1 row", "12 rows" */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`
}

/** A measured number with about `digits` significant digits: 0.0123, 4.57, 1,234. */
export function figure(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined) return '–'
  if (!Number.isFinite(value)) return String(value)
  if (value !== 0 && Math.abs(value) < 1e-3) return value.toExponential(1)
  return new Intl.NumberFormat('en', { maximumSignificantDigits: Math.max(digits, Math.ceil(Math.log10(Math.abs(value) + 1))) }).format(value)
}

/** 0.734 becomes "73%" */
export function percent(share: number, digits = 0): string {
  return `${(share * 100).toFixed(digits)}%`
}

/** Seconds: "45 s", "3 min 20 s", "2 h 5 min". */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60]
  if (hours > 0) return `${hours} h ${minutes} min`
  return whole % 60 === 0 ? `${minutes} min` : `${minutes} min ${whole % 60} s`
}

/** Bytes: "3.7 MB". */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const step = value < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(value) / 3))
  const scaled = value / 1000 ** step
  return `${scaled >= 100 || step === 0 ? scaled.toFixed(0) : scaled.toFixed(1)} ${units[step]!}`
}

const dateTime = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' })

/** @param seconds since 1970 */
export function time(seconds: number): string {
  return dateTime.format(seconds * 1000)
}

/** "just now", "4 minutes ago". @param seconds since 1970 */
export function ago(seconds: number): string {
  const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
  const past = Date.now() / 1000 - seconds
  if (past < 45) return 'just now'
  if (past < 3600) return relative.format(-Math.round(past / 60), 'minute')
  if (past < 86_400) return relative.format(-Math.round(past / 3600), 'hour')
  return relative.format(-Math.round(past / 86_400), 'day')
}
