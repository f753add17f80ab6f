/*
 * tus over bad networks: what arrived of a broken request counts, to the byte;
 * a new request takes over from a dead connection at once; children die.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { Wire, head, md5, pattern, status } from './client.mjs';
import { onServer, sleep, until } from './server.mjs';
import { CHUNK, append, create, headOf, idOf, offsetOf, patch, tus }
    from './tus-client.mjs';

const bytesOf = (s, url) => fs.readFileSync(s.partFile(idOf(url)));

const patchHead = (url, offset, length, headers = {}) =>
    head('PATCH', url, { 'Tus-Resumable': '1.0.0', 'Upload-Offset': offset,
                         'Content-Type': CHUNK, 'Content-Length': length,
                         ...headers });

/* A GET of the status fences nobody, so it can be asked while one writes. */
const stored = async (s, url) =>
    (await status(s, idOf(url))).json.offset;

for (const sync of ['none', 'chunk']) {
    onServer(`broken connections, Sync ${sync}`, {
        conf: `ChunkedUploadSync ${sync}`
    }, (at) => {
        const data = pattern(1 << 20);

        for (const how of ['close', 'halfClose', 'reset']) {
            test(`12 ${how} at several bytes: all that arrived counts`,
                 async () => {
                for (const cut of [0, 1, 7999, 8000, 65535, 65537, 262144,
                                   (1 << 20) - 1]) {
                    const url = await create(at.s, { length: data.length });
                    const wire = await Wire.open(at.s);
                    await wire.write(patchHead(url, 0, data.length));
                    await wire.write(data.subarray(0, cut));
                    if (how === 'reset') {
                        /* what a reset leaves unread is lost in the kernel */
                        await sleep(300);
                    }
                    wire[how]();
                    await until(`${cut} bytes to count`, async () =>
                        await stored(at.s, url) === cut);
                    assert.equal(await offsetOf(at.s, url), cut);
                    await append(at.s, url, cut, data.subarray(cut));
                    assert.equal(md5(bytesOf(at.s, url)), md5(data));
                    wire.close();
                }
            });
        }

        test('22 a broken creation keeps what arrived', async () => {
            const before = new Set(at.s.partFiles());
            const wire = await Wire.open(at.s);
            await wire.write(head('POST', '/up', { 'Tus-Resumable': '1.0.0',
                'Upload-Length': data.length, 'Content-Type': CHUNK,
                'Content-Length': data.length }));
            await wire.write(data.subarray(0, 300000));
            wire.close();
            const file = await until('the upload', () =>
                at.s.partFiles().find((name) => !before.has(name)));
            const id = /([0-9a-f]{32})\.part$/.exec(file)[1];
            const url = `/up/${id}`;
            await until('its bytes', async () =>
                await stored(at.s, url) === 300000);
            await append(at.s, url, 300000, data.subarray(300000));
            assert.equal(md5(bytesOf(at.s, url)), md5(data));
        });
    });
}

onServer('a dead connection', { conf: 'Timeout 60' }, (at) => {
    const data = pattern(700000, 7);

    for (const takeover of ['HEAD', 'PATCH', 'DELETE']) {
        test(`${takeover} takes over at once; later bytes do not count`,
             async () => {
            const url = await create(at.s, { length: data.length });
            const dead = await Wire.open(at.s);
            await dead.write(patchHead(url, 0, data.length));
            await dead.write(data.subarray(0, 400000));
            await until('bytes to count', async () =>
                await stored(at.s, url) >= 262144);
            /* silent from here on, and never closed */
            const began = Date.now();
            let offset = await stored(at.s, url);
            if (takeover === 'HEAD') {
                offset = await offsetOf(at.s, url);
            } else if (takeover === 'PATCH') {
                await append(at.s, url, offset, data.subarray(offset,
                                                              offset + 10));
                offset += 10;
            } else {
                assert.equal((await tus(at.s, 'DELETE', url)).status, 204);
            }
            assert.ok(Date.now() - began < 1000, 'nobody waited');
            /* now the dead one wakes up, with other bytes */
            await dead.write(Buffer.alloc(300000, 0x21));
            const answer = await dead.answer();
            assert.equal(answer.status, 409, takeover);
            if (takeover === 'DELETE') {
                assert.equal((await headOf(at.s, url)).status, 404);
            } else {
                assert.equal(await offsetOf(at.s, url), offset);
                await append(at.s, url, offset, data.subarray(offset));
                assert.equal(md5(bytesOf(at.s, url)), md5(data));
            }
            dead.close();
        });
    }

    test('a HEAD with no writer changes nothing on disk', async () => {
        const url = await create(at.s, { length: 10 });
        const file = at.s.stateFile(idOf(url));
        const before = fs.readFileSync(file);
        await headOf(at.s, url);
        assert.deepEqual(fs.readFileSync(file), before);
    });

    test('GET of the status does not disturb a writer', async () => {
        const url = await create(at.s, { length: data.length });
        const wire = await Wire.open(at.s);
        await wire.write(patchHead(url, 0, data.length));
        await wire.write(data.subarray(0, 400000));
        await until('bytes to count', async () => await stored(at.s, url) > 0);
        await wire.write(data.subarray(400000));
        assert.equal((await wire.answer()).status, 204);
        wire.close();
    });
});

onServer('a client that pauses', { conf: 'Timeout 2\nRequestReadTimeout body=2' },
         (at) => {
    test('12 is told to try again, and its bytes count', async () => {
        const url = await create(at.s, { length: 100 });
        const wire = await Wire.open(at.s);
        await wire.write(patchHead(url, 0, 100));
        await wire.write(Buffer.alloc(60, 0x61));
        const answer = await wire.answer();
        assert.equal(answer.status, 503);
        assert.ok(await wire.closed());
        assert.equal(await offsetOf(at.s, url), 60);
        await append(at.s, url, 60, Buffer.alloc(40, 0x62));
    });
});

onServer('a child that dies', {}, (at) => {
    test('in the middle of a PATCH: the batches that were recorded count',
         async () => {
        const data = pattern(3 << 20, 3);
        const url = await create(at.s, { length: data.length });
        let offset = 0;
        for (let i = 0; i < 3; i++) {
            const wire = await Wire.open(at.s);
            await wire.write(patchHead(url, offset, data.length - offset));
            await wire.write(data.subarray(offset, offset + (700 << 10)));
            await until('bytes to count', async () =>
                await stored(at.s, url) > offset);
            for (const pid of at.s.children()) {
                await at.s.killChild(pid);
            }
            wire.close();
            const now = await offsetOf(at.s, url);
            assert.ok(now > offset && now <= offset + (700 << 10), now);
            assert.deepEqual(bytesOf(at.s, url).subarray(0, now),
                             data.subarray(0, now));
            offset = now;
        }
        await append(at.s, url, offset, data.subarray(offset));
        assert.equal(md5(bytesOf(at.s, url)), md5(data));
    });
});

onServer('over HTTP/1.1 with Sync chunk', { conf: 'ChunkedUploadSync chunk' },
         (at) => {
    test('a long PATCH that dies silently does not lose all', async () => {
        const data = pattern(40 << 20, 9);
        const url = await create(at.s, { length: data.length });
        const dead = await Wire.open(at.s);
        await dead.write(patchHead(url, 0, data.length));
        await dead.write(data.subarray(0, 36 << 20));
        const enough = 32 << 20;
        await until('two checkpoints', async () =>
            await stored(at.s, url) >= enough);
        const offset = await offsetOf(at.s, url);
        assert.ok(offset >= enough && offset <= 36 << 20);
        const answer = await patch(at.s, url, offset, data.subarray(offset));
        assert.equal(answer.status, 204);
        assert.equal(md5(bytesOf(at.s, url)), md5(data));
        dead.close();
    });
});
