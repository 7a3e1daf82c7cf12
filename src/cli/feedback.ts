import { UserError } from '../errors.ts'
import { importLogs, readLogs, type ImportProblem, type ImportResult } from '../feedback/import.ts'
import { parsePattern, Redactor } from '../feedback/redact.ts'
import { openStore } from '../store/index.ts'
import { defineCommand, numberOption, required, usageError } from './command.ts'
import { createProgress } from './progress.ts'

const usage = 'import FILE … --directory DIR'
const self = { name: 'feedback', usage }
const shownProblems = 20

/** `posttrain feedback`: logs that exist come into the store. */
export const feedback = defineCommand({
  ...self,
  summary: 'import logs of completions and feedback',
  details: [
    'FILE is .jsonl, .json, .csv or .parquet. Known are: lines {"prompt", "completion", "thumbs", "rating", "comment",',
    '"correction", "user", …}, {"prompt", "chosen", "rejected"}, {"completion_id", "name", "value"}, {"request", "response"},',
    'OpenAI\'s stored completions, and Langfuse\'s traces, observations and scores. docs/feedback.md says more.',
    'All files are checked first: where a line cannot be read nothing is imported, unless --skip-bad. Importing the same',
    'again changes nothing. The server may be running.',
  ].join('\n'),
  options: {
    directory: { type: 'string', value: 'DIR', help: 'the folder that serve --directory has' },
    database: { type: 'string', value: 'URL', help: 'the PostgreSQL database that serve --database has' },
    as: { type: 'string', multiple: true, value: 'THEIRS=OURS', help: 'a name of feedback under ours: --as user-feedback=thumbs' },
    'skip-bad': { type: 'boolean', help: 'import the lines that can be read' },
    'dry-run': { type: 'boolean', help: 'only check the files' },
    'retention-days': { type: 'string', value: 'N', help: 'forget the completions N days after they were made' },
    'redact-pattern': { type: 'string', multiple: true, value: 'MARK=REGEX', help: 'replace what matches by [MARK], beside what is known' },
    'no-redact': { type: 'boolean', help: 'store texts as they are, with addresses, numbers and keys in them' },
  },
  positionals: 1000,
  async run({ options, positionals: [action, ...files], json, terminal }) {
    if (action !== 'import') throw usageError(self, action === undefined ? 'say what to do' : `there is no action ${action}`)
    if (files.length === 0) throw usageError(self, 'the file is missing')
    const retentionDays = numberOption('retention-days', options['retention-days'], { min: 0, max: 36_500 })
    const patterns = (options['redact-pattern'] ?? []).map(parsePattern)
    const redactor = new Redactor({ enabled: options['no-redact'] !== true, patterns })
    const directory = options['dry-run'] === true ? undefined : required(self, 'directory', options.directory)
    try {
      const { records, problems, formats } = await readLogs(files, { names: namesOf(options.as ?? []) })
      for (const { where, problem } of problems.slice(0, shownProblems)) terminal.log.write(`${where}: ${problem}\n`)
      if (problems.length > shownProblems) terminal.log.write(`… and ${problems.length - shownProblems} more lines that cannot be read\n`)
      if (problems.length > 0 && options['skip-bad'] !== true) throw refusal(problems, records.length)
      const result = directory === undefined ? undefined : await store(directory)
      terminal.out(json ? `${JSON.stringify({ formats, problems, ...result })}\n` : describe(formats, problems, result))

      async function store(directory: string): Promise<ImportResult> {
        await using store = await openStore({ directory, url: options.database })
        const progress = createProgress(terminal.log)
        const result = await importLogs(store, redactor, records, {
          retentionDays, onProgress: (done) => { progress.update({ label: 'importing', done, total: records.length }) },
        })
        progress.end()
        return result
      }
    } finally {
      await redactor.close()
    }
  },
})

function namesOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(pairs.map((pair) => {
    const at = pair.lastIndexOf('=')
    if (at <= 0 || at === pair.length - 1) throw usageError(self, `--as takes THEIRS=OURS, got ${pair}`)
    return [pair.slice(0, at), pair.slice(at + 1)]
  }))
}

function refusal(problems: readonly ImportProblem[], good: number): UserError {
  const lines = problems.length === 1 ? '1 line cannot' : `${problems.length} lines cannot`
  return new UserError(`${lines} be read, so nothing was imported. Mend them, or import the other ${good} with --skip-bad.`)
}

function describe(formats: Readonly<Record<string, number>>, problems: readonly ImportProblem[], result: ImportResult | undefined): string {
  return [
    `read: ${Object.entries(formats).map(([format, count]) => `${count} ${format}`).join(', ') || 'nothing'}`,
    ...(problems.length > 0 ? [`left out: ${problems.length} that cannot be read`] : []),
    ...(result === undefined ? [] : [
      `completions: ${result.completions.imported} imported, ${result.completions.there} there already`,
      `feedback: ${result.feedback.imported} imported, ${result.feedback.there} there already`,
    ]),
    '',
  ].join('\n')
}
