# Starts Orthanc with a password that is made once, in a volume that the workers and the bridge can read.
set -eu
umask 077
if [ ! -s /secret/password ]; then
  od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >/secret/password
fi
cat >/tmp/orthanc.json <<END
{
  "Name": "Surety",
  "StorageDirectory": "/archive",
  "IndexDirectory": "/archive",
  "HttpPort": 8042,
  "RemoteAccessAllowed": true,
  "AuthenticationEnabled": true,
  "RegisteredUsers": {"surety": "$(cat /secret/password)"},
  "DicomPort": 4242,
  "DicomAet": "SURETY",
  "DicomAlwaysAllowStore": true,
  "StableAge": 60,
  "Plugins": ["/usr/share/orthanc/plugins/libOrthancDicomWeb.so"],
  "DicomWeb": {"Enable": true, "Root": "/dicom-web/"}
}
END
exec Orthanc /tmp/orthanc.json
