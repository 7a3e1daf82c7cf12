/** A picture of one view: `node studio/test/shot.ts http://127.0.0.1:8000 '#/map' map.png [--dark] [--width 400] [--full]`. */
import { parseArgs } from 'node:util'
import { openBrowser, openView, seriousFaults } from './browser.ts'

const { values, positionals: [url = '', route = '', file = ''] } = parseArgs({
  allowPositionals: true,
  options: { dark: { type: 'boolean' }, full: { type: 'boolean' }, axe: { type: 'boolean' }, width: { type: 'string' } },
})
const browser = await openBrowser()
try {
  const { page, problems } = await openView(browser, `${url}/${route}`, { dark: values.dark ?? false, width: Number(values.width ?? 1280) })
  await page.waitForLoadState('networkidle', { timeout: 5000 }).catch(() => undefined)
  await page.screenshot({ path: file, fullPage: values.full ?? false })
  if (values.axe === true) problems.push(...await seriousFaults(page))
  for (const problem of problems) console.log(problem)
} finally {
  await browser.close()
}
