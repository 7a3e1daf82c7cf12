import { UserError } from '../errors.ts'

/** A record of a CSV file and the line that it starts on, counted from 1. */
export interface CsvRecord {
  readonly fields: readonly string[]
  readonly line: number
}

/**
 * The records of a CSV text (RFC 4180): fields in double quotes may hold commas, line ends and doubled quotes.
 * Empty lines are left out. Throws a UserError that names the line where a quote is not closed or text follows one.
 */
export function parseCsv(text: string, file: string): CsvRecord[] {
  const records: CsvRecord[] = []
  const field = /"((?:[^"]|"")*)"|([^",\r\n]*)/y
  let fields: string[] = []
  let line = 1
  let start = 1
  let at = 0
  while (at < text.length) {
    field.lastIndex = at
    const match = field.exec(text)!
    const [whole, quoted, bare] = match
    fields.push(quoted?.replaceAll('""', '"') ?? bare!)
    line += countLines(whole)
    at += whole.length
    if (text[at] === ',') {
      at++
      if (at < text.length) continue
      fields.push('')
    } else if (at < text.length && text[at] !== '\n' && text[at] !== '\r') {
      const problem = quoted === undefined ? 'a quoted field is not closed, or a quote stands inside an unquoted field' : 'text follows a closing quote'
      throw new UserError(`${file}:${line}: ${problem}. Quote the whole field and double the quotes inside it.`, { exitCode: 2 })
    }
    if (text.startsWith('\r\n', at)) at++
    at++
    if (fields.length > 1 || fields[0] !== '') records.push({ fields, line: start })
    fields = []
    line++
    start = line
  }
  return records
}

function countLines(text: string): number {
  let count = 0
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count++
  return count
}
