/*
 * The reaper in a real httpd: 410, then 404 and nothing left; never an upload
 * that is being written; another child takes over; complete uploads only by
 * ChunkedUploadKeepComplete; without mod_watchdog as new uploads begin.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { EXPIRED, NOT_FOUND, Wire, assertChunkOk, assertRefused, chunk,
         chunkRequest, complete, head, md5, pattern, status }
    from './client.mjs';
import { HTTPD, onServer, sleep, startServer, until } from './server.mjs';

const EXPIRING = `
<Location "/up">
    SetHandler chunked-upload
    ChunkedUploadExpire 2s
</Location>
<Location "/idle">
    SetHandler chunked-upload
    ChunkedUploadExpire 2s idle
</Location>
<Location "/never">
    SetHandler chunked-upload
    ChunkedUploadExpire None
</Location>
<Location "/done">
    SetHandler chunked-upload-complete
</Location>
`;

const first = async (s, data, o = {}) => (await chunk(s, {
    start: 0, total: 10, data, ...o })).json.upload_id;

for (const mpm of ['event', 'prefork']) {
    onServer(`reaper: ${mpm}`, { mpm, endpoints: EXPIRING,
        conf: 'ChunkedUploadReapInterval 1s' }, (at) => {
        test('an expired upload goes, with all that was it', async () => {
            const id = await first(at.s, 'abc');
            const never = await first(at.s, 'abc', { path: '/never' });
            assert.equal((await status(at.s, id)).status, 200);
            await until('the upload to go', async () =>
                (await status(at.s, id)).status === 404);
            assertRefused(await status(at.s, id), 404, NOT_FOUND);
            assert.deepEqual(at.s.partFiles().map((f) => path.basename(f)),
                             [`${never}.part`]);
            assert.equal(at.s.stateFiles().length, 1);
            assert.match(at.s.logSince(), new RegExp(
                `CU0050: upload ${id}: removed for its age: owner -, name `
                + '.*, 3 of 10 bytes, [0-9]+ s, 1 chunks, expired'));
            assert.match(at.s.logSince(), /CU0210: reaper: /);
        });

        test('each chunk puts an idle expiry off', async () => {
            const id = await first(at.s, 'a', { path: '/idle' });
            for (let offset = 1; offset < 5; offset++) {
                await sleep(1000);
                assertChunkOk(await chunk(at.s, { id, start: offset,
                    total: 10, data: 'b', path: '/idle' }), offset + 1, id);
            }
            await until('the upload to go', async () =>
                (await status(at.s, id, { path: '/idle' })).status === 404);
        });

        test('an upload that is being written is left alone', async () => {
            const data = pattern(400000);
            const id = (await chunk(at.s, { start: 0, total: 400010,
                data: 'abcdefghij' })).json.upload_id;
            const r = chunkRequest({ id, start: 10, total: 400010, data });
            const wire = await Wire.open(at.s);
            await wire.write(head('POST', r.path, { ...r.headers,
                'Content-Length': r.body.length }));
            await wire.write(r.body.subarray(0, 300000));
            await sleep(5000); /* several passes after its expiry */
            assert.equal(fs.existsSync(at.s.partFile(id)), true);
            assert.equal((await status(at.s, id)).status, 410);
            await wire.write(r.body.subarray(300000));
            const answer = await wire.answer();
            assertChunkOk(answer, 400010, id);
            wire.close();
            await until('the upload to go', async () =>
                (await status(at.s, id)).status === 404);
        });

        test('complete uploads stay', async () => {
            const id = await first(at.s, '0123456789');
            assert.equal((await complete(at.s, { id,
                md5: md5('0123456789') })).status, 200);
            await sleep(4000);
            assert.equal((await status(at.s, id)).json.status, 'complete');
        });

        test('another child takes over', async () => {
            for (const pid of at.s.children()) {
                await at.s.killChild(pid);
            }
            const id = await first(at.s, 'abc');
            await until('the upload to go', async () =>
                (await status(at.s, id)).status === 404, 40000);
            await at.s.graceful();
            const later = await first(at.s, 'abc');
            await until('the upload to go', async () =>
                (await status(at.s, later)).status === 404, 40000);
        });
    });
}

onServer('reaper: ChunkedUploadKeepComplete', { conf:
    'ChunkedUploadReapInterval 1s\nChunkedUploadKeepComplete 3s' }, (at) => {
    test('complete uploads go at their age, unfinished ones by theirs',
         async () => {
        const open = await first(at.s, 'abc');
        const id = await first(at.s, '0123456789');
        assert.equal((await complete(at.s, { id,
            md5: md5('0123456789') })).status, 200);
        assert.equal((await status(at.s, id)).json.status, 'complete');
        await until('the upload to go', async () =>
            (await status(at.s, id)).status === 404);
        assert.equal((await status(at.s, open)).status, 200);
        assert.match(at.s.logSince(),
                     new RegExp(`CU0050: upload ${id}: .*, complete`));
    });
});

onServer('reaper: None', { endpoints: EXPIRING,
    conf: 'ChunkedUploadReapInterval None' }, (at) => {
    test('nothing is removed but by the tool', async () => {
        const id = await first(at.s, 'abc');
        await sleep(4000);
        assertRefused(await status(at.s, id), 410, EXPIRED);
        assert.equal(at.s.partFiles().length, 1);
    });
});

/* Debian builds mod_watchdog in; elsewhere it may be left out. */
const builtIn = /mod_watchdog/.test(spawnSync(HTTPD, ['-l'],
                                              { encoding: 'utf8' }).stdout);

test('reaper: without mod_watchdog, as uploads begin',
     { skip: builtIn && 'mod_watchdog is compiled in' }, async () => {
    const s = await startServer({ endpoints: EXPIRING, mpm: 'prefork',
        conf: 'ChunkedUploadReapInterval 1s' });
    try {
        const ids = [];
        for (let i = 0; i < 20; i++) {
            ids.push(await first(s, 'abc'));
        }
        await sleep(2500);
        await until('all to go', async () => {
            for (let i = 0; i < 500; i++) {
                await first(s, 'abc', { path: '/never' });
            }
            return (await Promise.all(ids.map((id) => status(s, id))))
                .every((answer) => answer.status === 404);
        }, 300000);
        s.check();
    } finally {
        await s.stop();
    }
});
