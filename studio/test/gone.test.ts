/** A server that is gone, that refuses, and that breaks off, as the Studio's views take it, in Chromium. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { serveFake } from '../../src/server/fixtures/server.ts'
import { noChromium, openBrowser, openView, sendMessage } from './browser.ts'

const unreachable = 'The server does not answer. Is posttrain still running?'

async function opened(t: Parameters<typeof serveFake>[0], route: string): Promise<{ readonly page: Page; readonly url: string }> {
  const { server } = await serveFake(t)
  const browser = await openBrowser()
  t.after(() => browser.close())
  const { page } = await openView(browser, `${server.url}/${route}`)
  return { page, url: server.url }
}

test('a view says that the server is gone, and shows what it has when it is back', { skip: noChromium }, async (t) => {
  const { page, url } = await opened(t, '#/guide')
  await page.getByRole('heading', { level: 1, name: 'Guide' }).waitFor()
  for (const [view, shown] of [['runs', 'Nothing was trained yet'], ['adapters', 'No alias yet'], ['data', 'There is nothing to learn from yet']] as const) {
    await page.route('**/v1/**', (route) => route.abort())
    await page.goto(`${url}/#/${view}`)
    await page.getByRole('alert').filter({ hasText: unreachable }).first().waitFor()
    await page.unroute('**/v1/**')
    await page.getByRole('heading', { name: shown }).waitFor()
    await page.getByText(unreachable).first().waitFor({ state: 'detached' })
  }
})

test('what was deleted is asked for once', { skip: noChromium }, async (t) => {
  const { page, url } = await opened(t, '#/guide')
  let questions = 0
  await page.route('**/v1/runs/gone', (route) => {
    questions += 1
    return route.continue()
  })
  await page.goto(`${url}/#/runs/gone`)
  await page.getByText('There is no run gone').waitFor()
  await Promise.all([page.waitForResponse('**/v1/runs/gone'), page.getByRole('button', { name: 'Try again' }).click()])
  assert.equal(questions, 2)
})

test('an answer whose stream breaks off is no answer that can be judged', { skip: noChromium }, async (t) => {
  const { page } = await opened(t, '#/playground')
  await page.route('**/v1/chat/completions', (route) => route.fulfill({
    contentType: 'text/event-stream', body: 'data: {"id":"c","model":"m","choices":[{"delta":{"content":"Half an"},"finish_reason":null}],"usage":null}\n\n',
  }))
  await sendMessage(page, 'Hello')
  await page.getByText('The answer broke off').waitFor()
  assert.equal(await page.getByRole('button', { name: 'Good', exact: true }).count(), 0)
  await page.unroute('**/v1/chat/completions')
  await page.getByRole('button', { name: 'Try again' }).click()
  await page.getByRole('button', { name: 'Good', exact: true }).waitFor()
})
