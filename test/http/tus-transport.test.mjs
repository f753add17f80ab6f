/*
 * tus over HTTP/2, behind a proxy that changes the path, and what <Limit> and
 * .htaccess say about it.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import http2 from 'node:http2';
import { test } from 'node:test';

import { md5, pattern, status } from './client.mjs';
import { onServer } from './server.mjs';
import { CHUNK, append, create, headOf, idOf, metadata, offsetOf, patch,
         resolve, tus } from './tus-client.mjs';

const EMPTY = Buffer.alloc(0);

/* One request on a session; an answer with status, headers, text. */
function ask(session, method, path, headers, body, trailers)
{
    const stream = session.request({ ':method': method, ':path': path,
        'tus-resumable': '1.0.0', ...headers },
        trailers ? { waitForTrailers: true } : {});
    if (trailers) {
        stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    }
    return new Promise((go, no) => {
        let got;
        let text = '';
        stream.on('response', (h) => { got = h; });
        stream.on('data', (d) => { text += d; });
        stream.on('end', () => go({ status: got[':status'], headers: got,
                                    text }));
        stream.on('error', no);
        stream.end(body);
    });
}

onServer('tus over h2c', { http2: true }, (at) => {
    const withSession = (action) => async () => {
        const session = http2.connect(`http://127.0.0.1:${at.s.port}`);
        session.on('error', () => {});
        try {
            await action(session);
        } finally {
            session.destroy();
        }
    };
    const data = pattern(700000, 5);

    async function make(session, length)
    {
        const answer = await ask(session, 'POST', '/up',
            { 'upload-length': length,
              'upload-metadata': metadata({ filename: 'a' }) }, EMPTY);
        assert.equal(answer.status, 201, answer.text);
        return resolve(answer.headers.location, '/up');
    }

    test('a file in two requests', withSession(async (session) => {
        const url = await make(session, data.length);
        for (const [start, end] of [[0, 400000], [400000, 700000]]) {
            const answer = await ask(session, 'PATCH', url,
                { 'upload-offset': start, 'content-type': CHUNK },
                data.subarray(start, end));
            assert.equal(answer.status, 204);
            assert.equal(answer.headers['upload-offset'], String(end));
        }
        const head = await ask(session, 'HEAD', url, {}, undefined);
        assert.equal(head.headers['upload-offset'], '700000');
        assert.equal(md5(fs.readFileSync(at.s.partFile(idOf(url)))),
                     md5(data));
    }));

    test('eight uploads side by side', withSession(async (session) => {
        await Promise.all(Array.from({ length: 8 }, async (_, i) => {
            const mine = pattern(200000, i + 1);
            const url = await make(session, mine.length);
            const answer = await ask(session, 'PATCH', url,
                { 'upload-offset': 0, 'content-type': CHUNK }, mine);
            assert.equal(answer.status, 204);
            assert.equal(md5(fs.readFileSync(at.s.partFile(idOf(url)))),
                         md5(mine));
        }));
    }));

    test('a refusal while the body is on its way',
         withSession(async (session) => {
        const url = await make(session, data.length);
        const answer = await ask(session, 'PATCH', url,
            { 'upload-offset': 5, 'content-type': CHUNK },
            data.subarray(0, 60000));
        assert.equal(answer.status, 409);
    }));

    test('a checksum as a trailer', withSession(async (session) => {
        const url = await make(session, 3);
        const sum = (text) => ({ 'upload-checksum': `sha1 ${
            createHash('sha1').update(text).digest('base64')}` });
        const send = (text) => ask(session, 'PATCH', url,
            { 'upload-offset': 0, 'content-type': CHUNK,
              trailer: 'upload-checksum' }, Buffer.from('abc'), sum(text));
        assert.equal((await send('abd')).status, 460);
        assert.equal((await send('abc')).status, 204);
    }));
});

onServer('tus behind a proxy', {
    modules: ['proxy', 'proxy_http'],
    conf: `
UseCanonicalPhysicalPort On
RewriteEngine On
RewriteRule "^/outer/files(.*)$" "http://127.0.0.1:%{SERVER_PORT}/up$1" [P]
`
}, (at) => {
    test('a Location that is right although the path is another', async () => {
        for (const path of ['/outer/files/', '/outer/files/x']) {
            const url = await create(at.s, { path, length: 6 });
            assert.match(url, /^\/outer\/files\//);
            await append(at.s, url, 0, Buffer.from('abc'));
            assert.equal(await offsetOf(at.s, url), 3);
            await append(at.s, url, 3, Buffer.from('def'));
            assert.equal((await status(at.s, idOf(url))).json.status,
                         'complete');
        }
    });
});

onServer('tus and the rest of the configuration', {
    conf: `
<Location "/no-delete">
    SetHandler chunked-upload
    <Limit DELETE>
        Require all denied
    </Limit>
</Location>
<Location "/only-post">
    SetHandler chunked-upload
    <LimitExcept POST>
        Require all denied
    </LimitExcept>
</Location>
<Directory "@ROOT@/htdocs/site">
    AllowOverride FileInfo
</Directory>
`,
    files: { 'site/.htaccess': 'SetHandler chunked-upload\n'
        + 'ChunkedUploadDialects tus\nChunkedUploadMaxBytes 10\n'
        + 'RewriteEngine On\nRewriteRule . index.html [L]\n',
             'site/index.html': 'the front controller' }
}, (at) => {
    test('an overridden method does not get around <Limit>', async () => {
        const { request } = await import('./client.mjs');
        const send = (url, method) => request(at.s, { method: 'POST',
            path: url, headers: { 'Tus-Resumable': '1.0.0',
                'Upload-Offset': 0, 'Content-Type': CHUNK,
                'X-HTTP-Method-Override': method } });
        at.s.expectLog(/AH01630: .*\/no-delete/);
        at.s.expectLog(/AH01630: .*\/only-post/);
        const url = await create(at.s, { path: '/no-delete', length: 3 });
        assert.equal((await send(url, 'DELETE')).status, 403);
        assert.equal((await headOf(at.s, url)).status, 200);
        assert.equal((await send(url, 'PATCH')).status, 204);
        const other = await create(at.s, { path: '/only-post', length: 3 });
        assert.equal((await send(other, 'PATCH')).status, 403);
    });

    test('in an .htaccess, beside rewrite rules for all', async () => {
        const url = await create(at.s, { path: '/site/', length: 3 });
        assert.match(url, /^\/site\/[0-9a-f]{32}$/);
        await append(at.s, url, 0, Buffer.from('abc'));
        const large = await tus(at.s, 'POST', '/site/',
                                { 'Upload-Length': 11 }, EMPTY);
        assert.equal(large.status, 413);
        assert.equal((await patch(at.s, url, 0, EMPTY)).status, 409);
    });
});
