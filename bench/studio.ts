/** The Studio in Chromium, over a store of a million completions and a run of 100,000 steps: first paint and interactions. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser, Page } from 'playwright-core'
import { startServerProcess } from '../src/server/fixtures/server-process.ts'
import { openStore } from '../src/store/index.ts'
import { openBrowser, openView } from '../studio/test/browser.ts'
import { seed } from '../studio/test/seed.ts'
import { fill } from './ours/store-fill.ts'
import { markdownTable, median } from './table.ts'

const model = join(import.meta.dirname, '../src/models/fixtures/tiny-llama')
const steps = 100_000
const rounds = 5

/** Views, and what is seen when a view has what it asked for. */
const viewsOf = (run: string) => [
  ['map', '#/map', 'svg'],
  ['guide', '#/guide', 'table tbody tr'],
  ['playground', '#/playground', '#message'],
  ['feedback, a million completions', '#/inbox', '[data-completion]'],
  ['data', '#/data', '[id^=row-]'],
  ['new job', '#/new-job?data=dataset:choices', '#new-job-lr'],
  ['runs', '#/runs', 'main tbody tr'],
  ['a run of 100,000 steps', `#/runs/${run}`, '.uplot canvas'],
  ['evaluation', '#/evaluation', 'main .card'],
  ['adapters', '#/adapters', 'main tbody tr'],
] as const

export async function benchStudio({ completions = 1_000_000, feedback = 200_000 } = {}): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'posttrain-studio-'))
  try {
    const directory = join(folder, 'server')
    mkdirSync(directory)
    writeRun(join(folder, 'runs', 'long'))
    {
      await using store = await openStore({ directory })
      await fill(store, { completions, feedback })
    }
    const server = await startServerProcess(['--model', model, '--directory', directory, '--runs', join(folder, 'runs'), '--port', '0'])
    const browser = await openBrowser()
    try {
      await seed(server.url)
      const run = await longRun(server.url)
      return [
        '## The Studio',
        `Chromium ${browser.version()}, headless, on the server's machine; a store of a million completions and 200,000 feedback events, a run of ` +
          `${steps.toLocaleString('en')} steps. Milliseconds, medians of ${rounds}.`,
        await loads(browser, server.url, run),
        await interactions(browser, server.url, run),
      ].join('\n\n')
    } finally {
      await browser.close()
      await server.end('SIGTERM')
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The id of the run that lies in a folder. */
async function longRun(url: string): Promise<string> {
  const { data } = await (await fetch(`${url}/v1/runs`)).json() as { data: { id: string; kind: string }[] }
  return data.find(({ kind }) => kind === 'folder')!.id
}

/** A finished run, as train/ writes it, of as many steps as no test could wait for. */
function writeRun(folder: string): void {
  mkdirSync(folder, { recursive: true })
  const lines = Array.from({ length: steps }, (_, i) => JSON.stringify({
    step: i + 1, epoch: (i + 1) / 1000, loss: 3 / Math.sqrt(1 + i / 500) + 0.2 * Math.sin(i * 12.9898) ** 2, grad_norm: 1 + 0.5 * Math.sin(i * 78.233),
    lr: 2e-4 * (1 - i / steps), tokens: (i + 1) * 512, tokens_per_second: 280 + 20 * Math.sin(i / 300), memory_mb: 1400,
  }))
  writeFileSync(join(folder, 'metrics.jsonl'), `${lines.join('\n')}\n`)
  const events = [{ step: 0, type: 'started', time: '2026-01-01T00:00:00.000Z' }, { step: steps, type: 'finished', time: '2026-01-03T00:00:00.000Z' }]
  writeFileSync(join(folder, 'events.jsonl'), events.map((event) => `${JSON.stringify(event)}\n`).join(''))
  writeFileSync(join(folder, 'recipe.yaml'), 'model: tiny-llama\nmethod: sft\ndata: rows.jsonl\noutput: runs/long\n')
  writeFileSync(join(folder, 'samples.jsonl'), '')
  writeFileSync(join(folder, 'report.md'), '# Report\n')
}

/** Each view opened in a browser that has seen nothing yet, then gone to from another view. */
async function loads(browser: Browser, url: string, run: string): Promise<string> {
  const rows: string[][] = []
  for (const [name, route, seen] of viewsOf(run)) {
    const [paint, shown, bytes, within]: [number[], number[], number[], number[]] = [[], [], [], []]
    for (let round = 0; round < rounds; round++) {
      const { page } = await openView(browser, 'about:blank')
      const received = await countBytes(page)
      const start = performance.now()
      await page.goto(`${url}/${route}`)
      await page.waitForSelector(seen)
      shown.push(performance.now() - start)
      paint.push(await page.evaluate<number>('performance.getEntriesByName("first-contentful-paint")[0].startTime'))
      bytes.push(received())
      const other = route === '#/guide' ? '#/map' : '#/guide'
      await page.evaluate(`location.hash = ${JSON.stringify(other)}`)
      await page.waitForLoadState('networkidle')
      const leave = performance.now()
      await page.evaluate(`location.hash = ${JSON.stringify(route)}`)
      await page.waitForSelector(seen)
      within.push(performance.now() - leave)
      await page.context().close()
    }
    rows.push([name, ms(paint), ms(shown), ms(within), `${(median(bytes) / 1000).toFixed(0)} kB`])
  }
  return markdownTable(['view', 'first paint', 'content there', 'content there, from another view', 'loaded'], rows)
}

async function countBytes(page: Page): Promise<() => number> {
  const session = await page.context().newCDPSession(page)
  let bytes = 0
  session.on('Network.loadingFinished', ({ encodedDataLength }) => { bytes += encodedDataLength })
  await session.send('Network.enable')
  return () => bytes
}

/** What a person does, and how long the page takes from the event to the next paint (Event Timing API). */
const deedsOf = (run: string): readonly (readonly [name: string, route: string, ready: string, act: (page: Page) => Promise<void>])[] => [
  ['guide: type a filter', '#/guide', 'table tbody tr', (page) => page.locator('main input').first().pressSequentially('LoRA', { delay: 60 })],
  ['feedback: 30 times the next one', '#/inbox', '[data-completion]', (page) => pressed(page, 'j', 30)],
  ['a run of 100,000 steps: follow the curve', `#/runs/${run}`, '.uplot canvas', async (page) => {
    const box = (await page.locator('.uplot .u-over').first().boundingBox())!
    for (let i = 0; i < 30; i++) await page.mouse.move(box.x + (box.width * i) / 30, box.y + box.height / 2)
    await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2)
  }],
  ['data: 30 times the next row', '#/data/dataset/choices/1', '[id^=row-]', (page) => pressed(page, 'j', 30)],
  ['playground: type 40 letters', '#/playground', '#message', (page) => page.locator('#message').pressSequentially('a question of forty letters, more or less', { delay: 30 })],
]

async function pressed(page: Page, key: string, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    await page.keyboard.press(key)
    await sleep(30)
  }
}

async function interactions(browser: Browser, url: string, run: string): Promise<string> {
  const rows: string[][] = []
  for (const [name, route, ready, act] of deedsOf(run)) {
    const { page } = await openView(browser, `${url}/${route}`)
    await page.waitForSelector(ready)
    await page.waitForLoadState('networkidle')
    // Events shorter than 16 ms are not reported: the API's floor.
    await page.evaluate('window.__events = []; new PerformanceObserver((list) => { for (const { name, duration } of list.getEntries()) window.__events.push(duration) }).observe({ type: "event", durationThreshold: 16 })')
    await act(page)
    await sleep(300)
    const events = await page.evaluate<number[]>('window.__events')
    rows.push([name, String(events.length), events.length === 0 ? 'below 16' : ms(events), events.length === 0 ? 'below 16' : Math.max(...events).toFixed(0)])
    await page.context().close()
  }
  return `From an event to the next paint:\n\n${markdownTable(['', 'events of 16 ms and more', 'median of these', 'longest'], rows)}`
}

function ms(values: readonly number[]): string {
  return median(values).toFixed(0)
}
