import django.contrib.gis.db.models.fields
import django.contrib.gis.db.models.functions
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import gis.fields
import layers.video.rules
import services.catalog.ids
import services.catalog.quantities
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('projects', '0001_initial'),
        ('spatial', '0002_region_code_at'),
    ]

    operations = [
        migrations.CreateModel(
            name='Camera',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('name', models.CharField(max_length=200, verbose_name='名称')),
                ('code', models.CharField(max_length=20, unique=True, validators=[layers.video.rules.validate_camera_number], verbose_name='国标编码')),
                ('geom', gis.fields.PointField(blank=True, null=True, srid=4490, verbose_name='位置')),
                ('state', models.CharField(choices=[('online', '在线'), ('offline', '离线'), ('fault', '故障'), ('retired', '停用')], default='offline', max_length=12, verbose_name='状态')),
                ('kind', models.CharField(choices=[('bullet', '枪机'), ('dome', '半球'), ('speed_dome', '球机'), ('panoramic', '全景')], default='bullet', max_length=12, verbose_name='类型')),
                ('spot', models.CharField(choices=[('gate', '施工现场出入口'), ('living', '生活区出入口'), ('work', '重点作业区'), ('hazard', '危大工程作业面'), ('laboratory', '检测与养护室'), ('other', '其他部位')], default='other', max_length=12, verbose_name='安装部位')),
                ('maker', models.CharField(blank=True, max_length=60, verbose_name='厂家')),
                ('model', models.CharField(blank=True, max_length=60, verbose_name='型号')),
                ('can_turn', models.BooleanField(default=False, verbose_name='支持云台')),
                ('bearing', services.catalog.quantities.Quantity(blank=True, help_text='自正北顺时针', null=True, unit='°', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(360)], verbose_name='朝向')),
                ('field_of_view', services.catalog.quantities.Quantity(blank=True, null=True, unit='°', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(360)], verbose_name='视场角')),
                ('sight', services.catalog.quantities.Quantity(blank=True, null=True, unit='m', validators=[django.core.validators.MinValueValidator(0)], verbose_name='可视距离')),
                ('installed_on', models.DateField(blank=True, null=True, verbose_name='安装日期')),
                ('seen_at', models.DateTimeField(blank=True, null=True, verbose_name='最近心跳')),
                ('geom_3857', gis.fields.WebTwin(db_persist=True, expression=django.contrib.gis.db.models.functions.Transform('geom', 3857), output_field=django.contrib.gis.db.models.fields.PointField(null=True, srid=3857))),
                ('project', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='cameras', to='projects.project', verbose_name='所属工程')),
                ('region', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='spatial.region', verbose_name='行政区')),
            ],
            options={
                'verbose_name': '摄像机',
                'verbose_name_plural': '摄像机',
            },
        ),
        migrations.CreateModel(
            name='Fault',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('kind', models.CharField(choices=[('offline', '断线'), ('picture', '画面异常'), ('blocked', '镜头遮挡'), ('recording', '录像缺失'), ('power', '供电故障')], max_length=12, verbose_name='故障类型')),
                ('began_at', models.DateTimeField(verbose_name='发生时间')),
                ('ended_at', models.DateTimeField(blank=True, null=True, verbose_name='恢复时间')),
                ('note', models.CharField(blank=True, max_length=300, verbose_name='说明')),
                ('camera', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='faults', to='video.camera', verbose_name='摄像机')),
            ],
            options={
                'verbose_name': '故障记录',
                'verbose_name_plural': '故障记录',
                'ordering': ['-began_at'],
            },
        ),
        migrations.CreateModel(
            name='Maintenance',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('done_on', models.DateField(verbose_name='维护日期')),
                ('work', models.CharField(max_length=200, verbose_name='维护内容')),
                ('worker', models.CharField(blank=True, max_length=60, verbose_name='维护人员')),
                ('repaired', models.BooleanField(default=True, verbose_name='已恢复正常')),
                ('camera', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='maintenances', to='video.camera', verbose_name='摄像机')),
            ],
            options={
                'verbose_name': '维护记录',
                'verbose_name_plural': '维护记录',
                'ordering': ['-done_on'],
            },
        ),
        migrations.AddIndex(
            model_name='camera',
            index=models.Index(fields=['state'], name='camera_state'),
        ),
        migrations.AddConstraint(
            model_name='camera',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('bearing', None), ('bearing__range', (0, 360)), _connector='OR'), models.Q(('field_of_view', None), ('field_of_view__range', (0, 360)), _connector='OR')), name='camera_angles_in_circle', violation_error_message='朝向与视场角应在 0° 至 360° 之间。'),
        ),
        migrations.AddConstraint(
            model_name='fault',
            constraint=models.CheckConstraint(condition=models.Q(('ended_at', None), ('ended_at__gte', models.F('began_at')), _connector='OR'), name='camera_fault_times_in_order', violation_error_message='恢复时间不得早于发生时间。'),
        ),
    ]
