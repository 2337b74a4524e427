"""What a client may name as the address of its webhook, and what the operator may add."""

import pytest

from app.domain.addresses import parse_address
from app.domain.webhook_url import Allowed, InvalidWebhookUrl, WebhookUrl, parse_webhook_url

NOTHING = Allowed()

ODD = (
    "",
    "example.com/hook",
    "//example.com/hook",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com:443/",
    "javascript:alert(1)",
    "http://example.com/",
    "http://example.com:443/",
    "https:/example.com/",
    "https:///example.com/",
    "https://",
    "https://:443/",
    "https://user@example.com/",
    "https://user:secret@example.com/",
    "https://example.com@127.0.0.1/",
    "https://127.0.0.1#@example.com/",
    "https://example.com#fragment",
    "https://example.com:80/",
    "https://example.com:22/",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://example.com:+443/",
    "https://example.com:/",
    "https://example.com:443:443/",
    "https://example.com./",
    "https://example..com/",
    "https://.example.com/",
    "https://-example.com/",
    "https://*.example.com/",
    f"https://{'a' * 64}.example.com/",
    f"https://{'a.' * 127}com/",
    f"https://example.com/{'a' * 2048}",
    "https://localhost/",
    "https://LOCALHOST./",
    "https://mongo/",
    "https://127.0.0.1/",
    "https://127.0.0.1./",
    "https://127.1/",
    "https://127.0.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://127.0.0.0x1/",
    "https://1.1.1.1.1/",
    "https://256.256.256.256/",
    "https://0/",
    "https://0x/",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[0:0:0:0:0:ffff:7f00:1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[::1]example.com/",
    "https://[::1",
    "https://::1/",
    "https://[1.1.1.1]/",
    "https://[example.com]/",
    "https://[v1.fe80]/",
    "https://example.com\\@127.0.0.1/",
    "https:\\\\127.0.0.1\\",
    "https://exam\tple.com/",
    "https://example.com/\r\nHost: inside",
    " https://example.com/",
    "https://example.com/ a",
    "https://%31%32%37.0.0.1/",
    "https://example%2ecom/",
    "https://ｅxample.com/",
    "https://127。0。0。1/",
    "https://①②⑦.⓪.⓪.①/",
    "https://bücher.example/",
    "https://example.com/ü",
    "https://exam\u00adple.com/",
    "https://exam\u200bple.com/",
    "https://example.com\x00.evil.com/",
)
PLAIN = {
    "https://example.com": WebhookUrl("https", "example.com", 443, "/"),
    "HTTPS://Hooks.Example.COM/A/b?c=D%20e": WebhookUrl("https", "hooks.example.com", 443, "/A/b?c=D%20e"),
    "https://example.com:8443/x": WebhookUrl("https", "example.com", 8443, "/x"),
    "https://example.com?x=@y": WebhookUrl("https", "example.com", 443, "/?x=@y"),
    "https://xn--bcher-kva.example/": WebhookUrl("https", "xn--bcher-kva.example", 443, "/"),
    "https://1.1.1.1/": WebhookUrl("https", "1.1.1.1", 443, "/"),
    "https://[2606:4700:4700:0::1111]/": WebhookUrl("https", "2606:4700:4700::1111", 443, "/"),
}


@pytest.mark.parametrize("url", ODD)
def test_what_is_not_plain_https_to_the_internet_is_refused_with_the_fix(url: str) -> None:
    with pytest.raises(InvalidWebhookUrl, match=r"^webhook_url: ") as caught:
        parse_webhook_url(url, NOTHING)
    assert caught.value.code == "invalid_webhook_url"


@pytest.mark.parametrize(("url", "parts"), PLAIN.items())
def test_a_plain_url_comes_apart_without_a_second_parser(url: str, parts: WebhookUrl) -> None:
    assert parse_webhook_url(url, NOTHING) == parts


def test_host_header_names_the_port_only_where_it_is_not_the_usual_one() -> None:
    assert WebhookUrl("https", "example.com", 443, "/").host_header == "example.com"
    assert WebhookUrl("https", "example.com", 8443, "/").host_header == "example.com:8443"
    assert WebhookUrl("https", "2606:4700::1", 8443, "/").host_header == "[2606:4700::1]:8443"


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks/",
        "http://hooks:80/",
        "https://hooks:8443/",
        "http://n8n.internal:5678/webhook/1",
        "https://n8n.internal:5678/",
        "http://127.0.0.1:9000/",
        "http://[::1]:9000/",
        "https://10.1.2.3/",
    ],
)
def test_operator_allows_hosts_ports_and_networks(url: str) -> None:
    parse_webhook_url(url, Allowed.parse("hooks, N8N.internal:5678,127.0.0.1:9000, [::1]:9000, 10.1.0.0/16"))


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks:9000/",
        "http://n8n.internal/",
        "http://sub.n8n.internal:5678/",
        "http://127.0.0.1:9001/",
        "http://127.0.0.2:9000/",
        "http://10.1.2.3/",
        "https://10.2.2.3/",
        "https://10.1.2.3:9000/",
    ],
)
def test_an_allowed_host_opens_no_other_door(url: str) -> None:
    allowed = Allowed.parse("hooks, n8n.internal:5678, 127.0.0.1:9000, 10.1.0.0/16")
    with pytest.raises(InvalidWebhookUrl):
        parse_webhook_url(url, allowed)


def test_an_allowed_name_may_lead_inside_but_never_to_the_metadata_service() -> None:
    allowed = Allowed.parse("hooks")
    inside, metadata, elsewhere = map(parse_address, ("10.0.0.9", "169.254.169.254", "::1"))
    assert inside is not None
    assert metadata is not None
    assert elsewhere is not None
    assert allowed.refusal("hooks", inside) is None
    assert allowed.refusal("hooks", elsewhere) is None
    assert allowed.refusal("hooks", metadata) == "link-local"
    assert allowed.refusal("example.com", inside) == "private"


@pytest.mark.parametrize(
    "setting",
    ["10.0.0.1/8", "host:0", "host:65536", "host:http", "*", "*.example.com", "0x7f.1", "http://host"],
)
def test_a_wrong_setting_is_refused_with_the_entry_named(setting: str) -> None:
    with pytest.raises(ValueError, match=r"must be|write it|write a plain|must lie") as caught:
        Allowed.parse(f"good.example, {setting}")
    assert repr(setting) in str(caught.value)
