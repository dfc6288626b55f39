"""All secrets that a study and its environment can hold, as the run of the fixture ``finished_study`` has them set."""

from __future__ import annotations

WEBHOOK = "https://hooks.example.invalid/services/T00/B00/wEbHoOk-s3cr3t"
SMTP_PASSWORD = "sMtP-s3cr3t"
PROXY_PASSWORD = "pRoXy-s3cr3t"
LOGIN_PASSWORD = "l0gIn-s3cr3t"
TOKEN = "t0KeN-s3cr3t"

SECRETS = (WEBHOOK.rpartition("/")[2], SMTP_PASSWORD, PROXY_PASSWORD, LOGIN_PASSWORD, TOKEN)
"""What must stand nowhere."""

_ADDRESS = f"http://lab:{LOGIN_PASSWORD}@127.0.0.1:9/base?access_token={TOKEN}"
ENVIRONMENT = {
    "POMA_SMTP_PASSWORD": SMTP_PASSWORD,
    "http_proxy": f"http://lab:{PROXY_PASSWORD}@127.0.0.1:9",
    "https_proxy": f"http://lab:{PROXY_PASSWORD}@127.0.0.1:9",
    "POMA_ENA_URL": _ADDRESS,
    "POMA_GENCODE_URL": _ADDRESS,
    "POMA_ENSEMBL_URL": _ADDRESS,
    "POMA_KEGG_URL": _ADDRESS,
    "POMA_HALLMARK_URL": _ADDRESS,
    "POMA_REACTOME_URL": _ADDRESS,
}
"""Variables that hold secrets; nothing listens at port 9."""

NOTIFICATIONS = f"""
notifications:
  webhook: {WEBHOOK}
  email: {{to: [lab@example.org], from: poma@example.org, smtp_host: smtp.example.invalid, user: lab}}
"""
"""Lines for ``poma.yaml``, the one file that may hold the address of the webhook: the user wrote it there."""
