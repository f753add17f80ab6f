/*
 * The seed's defects SD-1 .. SD-13, one test each that fails on the defect.
 * docs/compatibility.md says what we do instead.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { BAD_HEADERS, BAD_MD5, EXPIRED, NOT_FOUND, NO_AUTH, SIZE_DIFFERS,
         Wire, assertChunkOk, assertRefused, chunk, chunkRequest, complete,
         finish, head, md5, offsetError, pattern, sha256, status, uploadAll }
    from './client.mjs';
import { onServer, sleep } from './server.mjs';
import { dropDigest } from './statefile.mjs';
import { readsDuring } from './strace.mjs';

const UNKNOWN = '0123456789abcdef0123456789abcdef';

onServer('seed defects', {
    files: { '../passwords': 'alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n'
                           + 'bob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n' },
    conf: `
<Location "/limited">
    SetHandler chunked-upload
    ChunkedUploadMaxBytes 100
</Location>
<Location "/short">
    SetHandler chunked-upload
    ChunkedUploadExpire 1s
</Location>
<Location "/idle">
    SetHandler chunked-upload
    ChunkedUploadExpire 2s idle
</Location>
<Location "/users">
    SetHandler chunked-upload
    AuthType Basic
    AuthName uploads
    AuthUserFile "@ROOT@/passwords"
    Require valid-user
</Location>
<Location "/members">
    SetHandler chunked-upload
    ChunkedUploadAnonymous Off
</Location>`
}, (at) => {
    const half = async (o = {}) => assertChunkOk(await chunk(at.s, {
        start: 0, total: 20, data: Buffer.from('0123456789'), ...o }), 10);

    test('SD-1 completing twice does nothing twice', async () => {
        const id = assertChunkOk(await chunk(at.s, { data: 'abc' }), 3);
        const first = await complete(at.s, { id, md5: md5('abc') });
        const before = sha256(fs.readFileSync(at.s.stateFile(id)));
        const second = await complete(at.s, { id, md5: md5('abc') });
        assert.equal(second.status, 200);
        assert.equal(second.text, first.text);
        assert.equal(sha256(fs.readFileSync(at.s.stateFile(id))), before);
        assertRefused(await complete(at.s, { id, md5: md5('other') }), 400,
                      BAD_MD5);
    });

    test('SD-2 neither a short nor an expired upload completes', async () => {
        const id = await half();
        assertRefused(await complete(at.s, { id, md5: md5('0123456789') }),
            400, '{"detail": "Upload is not complete", "offset": 10}');
        const old = await half({ path: '/short' });
        await sleep(1100);
        assertRefused(await complete(at.s, { id: old, md5: md5('0123456789'),
            path: '/short/complete' }), 410, EXPIRED);
    });

    test('SD-3 limits hold for what is claimed and for what comes',
         async () => {
        const limit = '{"detail": "Size of file exceeds the limit '
            + '(100 bytes)"}';
        const send = (o) => chunk(at.s, { path: '/limited', ...o });
        assertRefused(await send({ data: pattern(150) }), 400, limit);
        assertRefused(await send({ range: 'bytes 0-149/150',
                                   data: pattern(150) }), 400, limit);
        assertRefused(await send({ range: 'bytes 0-149/100',
                                   data: pattern(150) }), 400, BAD_HEADERS);
        assertRefused(await send({ range: 'bytes 0-9/5',
                                   data: pattern(10) }), 400, BAD_HEADERS);
        assertRefused(await send({ range: 'bytes 0-49/50',
                                   data: pattern(150) }), 400, SIZE_DIFFERS);
        const id = assertChunkOk(await send({ range: 'bytes 0-7/8',
                                              data: pattern(8) }), 8);
        assertRefused(await send({ id, range: 'bytes 8-15/99',
                                   data: pattern(8) }), 400, SIZE_DIFFERS);
        assert.equal(fs.statSync(at.s.partFile(id)).size, 8);
    });

    test('SD-4 bytes beyond the acknowledged offset do not count',
         async () => {
        const id = await half();
        fs.appendFileSync(at.s.partFile(id), 'left by a crash');
        assert.equal((await status(at.s, id)).json.offset, 10);
        assertChunkOk(await chunk(at.s, { id, start: 10, total: 20,
            data: Buffer.from('abcdefghij') }), 20, id);
        await finish(at.s, id, Buffer.from('0123456789abcdefghij'));
    });

    test('SD-5 of two chunks for one offset exactly one counts', async () => {
        for (let round = 0; round < 10; round++) {
            const id = await half();
            const answers = await Promise.all(['aaaaaaaaaa', 'bbbbbbbbbb']
                .map((data) => chunk(at.s, { id, start: 10, total: 20,
                                             data: Buffer.from(data) })));
            const [won, lost] = answers[0].status === 200 ? answers
                : [answers[1], answers[0]];
            assertChunkOk(won, 20, id);
            assert.equal(lost.status, 400, lost.text);
            assert.match(lost.text,
                /^\{"detail": "Offsets do not match", "offset": (10|20)\}$/);
            const letter = answers[0] === won ? 'a' : 'b';
            await finish(at.s, id,
                         Buffer.from('0123456789' + letter.repeat(10)));
        }
    });

    test('SD-6 a refused first chunk leaves no file', async () => {
        const count = () => at.s.stateFiles().length
            + at.s.partFiles().length;
        const before = count();
        const data = Buffer.from('abc');
        assertRefused(await chunk(at.s, { range: 'bytes 5-7/10', data }), 400,
                      offsetError(0));
        assertRefused(await chunk(at.s, { range: 'bytes 0-4/10', data }), 400,
                      SIZE_DIFFERS);
        assertRefused(await chunk(at.s, { range: 'nonsense', data }), 400,
                      BAD_HEADERS);
        assert.equal(count(), before);
    });

    test('SD-7 an upload in use does not expire where idle is configured',
         async () => {
        let id;
        for (let i = 0; i < 5; i++) {
            id = assertChunkOk(await chunk(at.s, { path: '/idle', id, start: i,
                total: 5, data: 'x' }), i + 1, id);
            await sleep(700);
        }
        await finish(at.s, id, Buffer.from('xxxxx'),
                     { path: '/idle/complete' });
    });

    test('SD-8 an owner is explicit', async () => {
        const path = '/users';
        const id = await half({ path, auth: 'alice' });
        assertRefused(await status(at.s, id, { path, auth: 'bob' }), 404,
                      NOT_FOUND);
        assert.equal((await status(at.s, id, { path, auth: 'alice' })).status,
                     200);
        assertRefused(await chunk(at.s, { path: '/members', data: 'x' }), 403,
                      NO_AUTH);
        assertRefused(await complete(at.s, { path: '/members/complete',
            id: UNKNOWN, md5: 'x' }), 403, NO_AUTH);
        assertRefused(await status(at.s, UNKNOWN, { path: '/members' }), 403,
                      NO_AUTH);
    });

    test('SD-9 the chunk is not held in memory', async () => {
        const data = pattern(64 << 10);
        const many = 512; /* 32 MiB */
        assertChunkOk(await chunk(at.s, { data }), data.length);
        const top = () => Math.max(...at.s.rssOfChildren().map((c) => c.rss));
        const before = top();
        const r = chunkRequest({ data: Buffer.from('@'), start: 0, total: 1 });
        const cut = r.body.indexOf('@');
        const size = data.length * many;
        const wire = await Wire.open(at.s);
        await wire.write(head('POST', '/up', { ...r.headers,
            'Content-Range': `bytes 0-${size - 1}/${size}`,
            'Content-Length': r.body.length - 1 + size }));
        await wire.write(r.body.subarray(0, cut));
        let peak = 0;
        for (let i = 0; i < many; i++) {
            await wire.write(data);
            peak = i % 32 === 0 ? Math.max(peak, top()) : peak;
        }
        peak = Math.max(peak, top());
        await wire.write(r.body.subarray(cut + 1));
        assertChunkOk(await wire.answer(), size);
        wire.close();
        assert.ok(peak - before < 8192, `grew by ${peak - before} KiB`);
    });

    test('SD-10 the offset can be asked', async () => {
        const id = await half();
        const answer = await status(at.s, id);
        assert.equal(answer.status, 200);
        assert.equal(answer.json.offset, 10);
        const only = await status(at.s, id, { method: 'HEAD' });
        assert.equal(only.status, 200);
        assert.equal(only.text, '');
    });

    test('SD-11 an unknown id is refused in JSON', async () => {
        assertRefused(await chunk(at.s, { id: UNKNOWN, data: 'x' }), 404,
                      NOT_FOUND);
        assertRefused(await complete(at.s, { id: UNKNOWN, md5: 'x' }), 404,
                      NOT_FOUND);
    });

    test('SD-12 ranges are read strictly and bounded', async () => {
        const before = at.s.stateFiles().length;
        for (const range of ['bytes 0-9/*', 'bytes */10', 'Bytes 0-9/10',
            'octets 0-9/10', 'bytes  0-9/10', 'bytes 0-9/10, x',
            'bytes 0-9/10;', 'bytes 00-9/10', 'bytes 0--1/0',
            'bytes 0-9/9223372036854775808', `bytes 0-9/1${'0'.repeat(100)}`,
            'bytes 18446744073709551616-18446744073709551625/'
            + '18446744073709551626']) {
            assertRefused(await chunk(at.s, { range, data: pattern(10) }),
                          400, BAD_HEADERS);
        }
        assert.equal(at.s.stateFiles().length, before);
    });

    test('SD-13 completion reads no byte of the file', async () => {
        const data = pattern(1 << 20);
        const id = await uploadAll(at.s, data, 300000);
        let answer;
        const reads = await readsDuring(at.s, `${id}.part`, async () => {
            answer = await complete(at.s, { id, md5: md5(data) });
        });
        assertRefused(answer, 200, '{}');
        assert.deepEqual(reads, []);

        /* the control: with no digest state it must be read, and is seen */
        const other = await uploadAll(at.s, data, 300000);
        dropDigest(at.s.stateFile(other));
        const seen = await readsDuring(at.s, `${other}.part`, async () => {
            answer = await complete(at.s, { id: other, md5: md5(data) });
        });
        assertRefused(answer, 200, '{}');
        assert.ok(seen.length > 0);
    });
});
