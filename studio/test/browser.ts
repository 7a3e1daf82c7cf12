/** Chromium for tests, pictures and measurements: the system's own, driven by playwright-core. */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import { chromium, type Browser, type Page } from 'playwright-core'

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/** Chromium's program: `POSTTRAIN_CHROMIUM`, or the first of its usual names on the path. */
export function findChromium(): string | undefined {
  const given = process.env['POSTTRAIN_CHROMIUM']
  if (given !== undefined) return given
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.flatMap((folder) => names.map((name) => join(folder, name))).find((path) => existsSync(path))
}

/** For a test's `skip`: what is missing, false where it can run. */
export const noChromium = findChromium() === undefined
  ? 'no Chromium is installed (Debian: apt install chromium); POSTTRAIN_CHROMIUM names one elsewhere'
  : false

/** @throws Error where no Chromium is installed */
export async function openBrowser(): Promise<Browser> {
  const executablePath = findChromium()
  if (executablePath === undefined) throw new Error(String(noChromium))
  return chromium.launch({
    executablePath,
    args: [
      // Tests run as root in containers, where the sandbox cannot.
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
      '--disable-sync', '--force-prefers-reduced-motion',
    ],
  })
}

export interface View {
  readonly page: Page
  /** What the console, scripts and the network complained of since the page was opened. */
  readonly problems: string[]
}

export interface ViewOptions {
  readonly dark?: boolean
  readonly width?: number
  readonly height?: number
}

/** A page of its own, with nothing stored. */
export async function openView(browser: Browser, url: string, { dark = false, width = 1280, height = 900 }: ViewOptions = {}): Promise<View> {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', reducedMotion: 'reduce' })
  const page = await context.newPage()
  // Jobs give way to everything else on a busy machine.
  page.setDefaultTimeout(240_000)
  const problems: string[] = []
  page.on('console', (message) => { if (message.type() === 'error' || message.type() === 'warning') problems.push(`console: ${message.text()}`) })
  page.on('pageerror', (error) => { problems.push(`script: ${error.message}`) })
  page.on('requestfailed', (request) => {
    // What a view no longer needs, it gives up itself.
    if (request.failure()?.errorText !== 'net::ERR_ABORTED') problems.push(`network: ${request.url()} ${request.failure()?.errorText ?? ''}`)
  })
  await page.goto(url)
  return { page, problems }
}

/** Asks in the playground by keyboard, once there are models that could answer: before, Enter does nothing. */
export async function sendMessage(page: Page, message: string): Promise<void> {
  await page.getByLabel('Your message').fill(message)
  await page.locator('button:enabled', { hasText: 'Send' }).waitFor()
  await page.getByLabel('Your message').press('Enter')
}

interface AxeResults {
  readonly violations: readonly { readonly id: string; readonly impact: string; readonly help: string; readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[] }[]
}

let axe: string | undefined

/** What axe finds that is serious or critical, a line each. */
export async function seriousFaults(page: Page): Promise<string[]> {
  axe ??= readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
  await page.evaluate(axe)
  const { violations } = await page.evaluate<AxeResults>('axe.run(document, {resultTypes: ["violations"]})')
  return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${help}: ${html.slice(0, 200)} ${failureSummary.split('\n').slice(1, 2).join('').trim()}`))
}
