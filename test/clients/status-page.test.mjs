/*
 * The status page in a real browser, a headless Chromium: live with scripts,
 * readable without, and a file's name is text, whatever it says.  The picture
 * is kept in build/screenshots.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { chromium } from 'playwright-core';

import { chunk, pattern } from '../http/client.mjs';
import { BUILD } from '../http/httpd-conf.mjs';
import { onServer } from '../http/server.mjs';

const CONF = `
<Location "/status">
    SetHandler chunked-upload-status
    ChunkedUploadStatusScope all
</Location>
ChunkedUploadReapInterval 1s
`;

function findBrowser()
{
    for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
        const found = spawnSync('sh', ['-c', `command -v ${name}`],
                                { encoding: 'utf8' });
        if (found.status === 0) {
            return found.stdout.trim();
        }
    }
    throw new Error('no chromium: run .ci/deps.sh browser');
}

onServer('status page in Chromium', { conf: CONF }, (at) => {
    test('live with scripts, readable without', async () => {
        const name = '<img src=x onerror="document.title=1"> got you.bin';
        await chunk(at.s, { start: 0, total: 4000000, data: pattern(1000000),
                            filename: name.replaceAll('"', '%22') });
        const browser = await chromium.launch({
            executablePath: findBrowser(),
            args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage']
        });
        try {
            const page = await browser.newPage();
            const complaints = [];
            page.on('pageerror', (e) => complaints.push(String(e)));
            page.on('console', (m) => {
                if (!m.location().url.endsWith('/favicon.ico')) {
                    complaints.push(m.text());
                }
            });
            await page.goto(at.s.url('/status'));
            await page.getByText('Running: 1').waitFor();
            assert.equal(await page.title(), 'Uploads');
            await page.getByText('got you').waitFor();
            assert.equal(await page.locator('progress').getAttribute('value'),
                         '25.0');
            fs.mkdirSync(path.join(BUILD, 'screenshots'), { recursive: true });
            await page.screenshot({ fullPage: true,
                path: path.join(BUILD, 'screenshots/status.png') });
            await chunk(at.s, { start: 0, total: 10, data: 'abc' });
            await page.getByText('Running: 2').waitFor({ timeout: 10000 });
            assert.deepEqual(complaints, []);

            const plain = await browser.newContext({
                javaScriptEnabled: false });
            const still = await plain.newPage();
            await still.goto(at.s.url('/status'));
            await still.getByText('Running: 2').waitFor();
        } finally {
            await browser.close();
        }
    });
});
